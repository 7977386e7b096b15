"""The admission of HTTP requests: so many of an address in a minute, and so many at once that may use the database.

Both stand before Django, so that a refusal costs no thread, and hold on any ASGI server. A request that uses the
database has a thread of its own and with it a connection of its own; it keeps its place until that is closed, however
the request ended. WebSockets are admitted elsewhere, by the limits of connections.
"""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from django.conf import settings

from operators.metrics import is_allowed
from securecall_site.urls import API_PATH
from signaling.admission.client_ip import address_of
from signaling.protocol.limits import SlidingWindows
from signaling.telemetry.counters import TOO_MANY_AT_ONCE, TOO_MANY_FROM_ADDRESS, counters

logger = logging.getLogger(__name__)

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MINUTE_SECONDS = 60.0
# The directory of public keys has a thread, and a connection, that no HTTP request shares.
CONNECTIONS_OF_THE_DIRECTORY = 1
# A page of the demo with the library has some seventy files, and people behind one address open it at the same time.
FILES_A_REQUEST = 10
# A request that has waited this long for its place is refused. A database that hangs lets a connection go sooner.
PATIENCE_SECONDS = 10.0
# Signed tiles of a public log: the same for everybody, and read by programs that follow it.
LOG_TILES = "/log/"


class RefusedError(Exception):
    """A request that is not admitted: the status, a sentence, and the seconds after which it may be tried again."""

    def __init__(self, status: int, sentence: str, seconds: float) -> None:
        super().__init__(sentence)
        self.status = status
        self.retry_after = max(1, math.ceil(seconds))


class Admission:
    """Admits requests to Django; `clock` is monotonic, in seconds."""

    def __init__(
        self,
        per_minute: int,
        connections: int,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_minute = per_minute
        self._requests = SlidingWindows(MINUTE_SECONDS)
        self._files = SlidingWindows(MINUTE_SECONDS)
        self._places = asyncio.Semaphore(connections - CONNECTIONS_OF_THE_DIRECTORY)
        self._patience_seconds = patience_seconds
        self._clock = clock
        self._told: set[str] = set()

    @asynccontextmanager
    async def admitted(self, scope: Scope) -> AsyncIterator[None]:
        """Admit a request for as long as the block runs; raises `RefusedError`."""
        if is_free(scope):
            yield
            return
        if not scope["path"].startswith(LOG_TILES):
            self._count(scope)
        await self._wait_for_place()
        try:
            yield
        finally:
            self._places.release()

    def _count(self, scope: Scope) -> None:
        is_file = scope["path"].startswith(settings.STATIC_URL)
        windows, times = (self._files, FILES_A_REQUEST) if is_file else (self._requests, 1)
        if wait := windows.consume(address_of(scope), self._clock(), self._per_minute * times):
            raise self._refuse(
                TOO_MANY_FROM_ADDRESS,
                RefusedError(429, "There are too many requests from your address; wait, then try again.", wait),
                "An address sends more HTTP requests than LIMIT_HTTP_REQUESTS_PER_IP_PER_MINUTE allows",
            )

    async def _wait_for_place(self) -> None:
        try:
            async with asyncio.timeout(self._patience_seconds):
                await self._places.acquire()
        except TimeoutError:
            raise self._refuse(
                TOO_MANY_AT_ONCE,
                RefusedError(503, "The server is busy; try again in a moment.", self._patience_seconds),
                f"HTTP requests waited for {self._patience_seconds:g} s for one of DATABASE_CONNECTIONS: the database "
                "is slow, or there are too many requests",
            ) from None

    def _refuse(self, reason: str, error: RefusedError, sentence: str) -> RefusedError:
        counters.http_requests_refused[reason] += 1
        if reason not in self._told:
            self._told.add(reason)
            logger.warning("%s; they are answered with %d. This is logged once.", sentence, error.status)
        return error


def is_free(scope: Scope) -> bool:
    """Return whether a request is neither counted nor kept waiting: those of monitors, which use no database."""
    if scope["path"] == "/metrics":
        tokens = [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]
        return bool(tokens) and is_allowed(tokens[-1])
    return bool(scope["path"] == "/health")


async def refuse(error: RefusedError, scope: Scope, send: Send) -> None:
    """Answer a request that is not admitted: a script with JSON, as the API does, anybody else with a sentence."""
    is_api = scope["path"].startswith(API_PATH)
    body = msgspec.json.encode({"detail": str(error)}) if is_api else f"{error}\n".encode()
    headers = [
        (b"content-type", b"application/json" if is_api else b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", str(error.retry_after).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def admission() -> Admission:
    """Make the admission that the settings ask for."""
    return Admission(settings.LIMITS.http_requests_per_ip_per_minute, settings.DATABASE_CONNECTIONS)
