"""One connection to Redis for a whole process, made anew when it breaks.

redis-py sends a command, waits and sends the next; on the way of a message that is half of its cost. Here all
commands of the process share one pipelined connection (`redis_protocol.py`), which also carries its subscriptions.
"""

import asyncio
import contextlib
import logging
from contextvars import ContextVar
from typing import Any, Protocol

import hiredis

from signaling.delivery.redis_connect import connect, reason_of
from signaling.delivery.redis_protocol import OnMessage, RedisProtocol, Word, resolve
from signaling.delivery.redis_refusals import WRONG_SERVER, Refusals, RefusedError
from signaling.delivery.redis_url import RedisUrl
from signaling.protocol.errors import UnavailableError
from signaling.telemetry.counters import counters

logger = logging.getLogger(__name__)

MIN_BACKOFF_SECONDS = 0.05
MAX_BACKOFF_SECONDS = 1.0
CONNECT_TIMEOUT_SECONDS = 3.0

# Set where the listener's `reconnected` runs: its commands go through while all others are refused.
_is_reconnecting: ContextVar[bool] = ContextVar("is_reconnecting", default=False)


class Listener(Protocol):
    """The receiver of what a link tells of its connection."""

    async def reconnected(self) -> None:
        """Prepare after every connect, the first one too; only the commands of this coroutine go through.

        When it raises, the link closes the connection and connects again.
        """

    def disconnected(self) -> None:
        """Note the end of a connection, or of an attempt to connect."""


class RedisLink:
    """A connection that is made anew whenever it breaks; meanwhile every command raises `UnavailableError`.

    `on_message(channel, data)` is called with what is published to a subscribed channel.
    """

    def __init__(self, url: str, on_message: OnMessage) -> None:
        self._url = RedisUrl.parse(url)
        self._on_message = on_message
        self._protocol: RedisProtocol | None = None
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._backoff_seconds = MIN_BACKOFF_SECONDS
        # The first failure is logged, and then the next connect.
        self._is_told_away = False
        self._refusals = Refusals()
        # What Redis refused because it is the wrong server, on a connection that is dropped for it.
        self._dropped_for: RefusedError | None = None

    @property
    def is_up(self) -> bool:
        """Return whether commands go through now."""
        return self._ready.is_set()

    @property
    def is_writable(self) -> bool:
        """Return whether commands go through now, and Redis takes those that write."""
        return self.is_up and self._refusals.is_writable

    def note_write(self) -> None:
        """Note that a command that writes has gone through."""
        self._refusals.note_write()

    async def start(self, listener: Listener) -> None:
        """Begin to connect, once, for `listener`; return when the first attempt has ended, well or not."""
        if self._task is None:
            self._first_attempt = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._keep_connected(listener, self._first_attempt))
        await asyncio.shield(self._first_attempt)

    async def stop(self) -> None:
        """Close the connection for good."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def call(self, *command: Word) -> asyncio.Future[Any]:
        """Send a command; the future is its reply, or `UnavailableError`."""
        protocol = self._protocol
        if protocol is None or not (self._ready.is_set() or _is_reconnecting.get()):
            failed = asyncio.get_running_loop().create_future()
            failed.set_exception(UnavailableError())
            return failed
        return protocol.call(command)

    async def subscribe(self, *channels: str) -> None:
        """Subscribe to channels; return when Redis has confirmed it."""
        if not (self._ready.is_set() or _is_reconnecting.get()):
            raise UnavailableError
        await self._change_subscriptions("SUBSCRIBE", channels)

    async def unsubscribe(self, *channels: str) -> None:
        """Unsubscribe from channels; when this returns, no more messages of theirs come."""
        await self._change_subscriptions("UNSUBSCRIBE", channels)

    async def _change_subscriptions(self, command: str, channels: tuple[str, ...]) -> None:
        protocol = self._protocol
        if protocol is None:
            raise UnavailableError
        await protocol.change_subscriptions(command, channels)

    async def _keep_connected(self, listener: Listener, first_attempt: asyncio.Future[None]) -> None:
        while True:
            try:
                await self._serve(listener, first_attempt)
            except (OSError, UnavailableError, hiredis.HiredisError, TimeoutError) as error:
                self._log_away(error)
            except Exception:
                # A bug in the listener must not leave the process without Redis for ever.
                logger.exception("What follows a connect to Redis failed; it is tried again")
                self._is_told_away = True
            finally:
                self._ready.clear()
                if self._protocol is not None:
                    self._protocol.abort()
                    self._protocol = None
                listener.disconnected()
                resolve(first_attempt)
            await asyncio.sleep(self._backoff_seconds)
            self._backoff_seconds = min(self._backoff_seconds * 2, MAX_BACKOFF_SECONDS)

    async def _serve(self, listener: Listener, first_attempt: asyncio.Future[None]) -> None:
        """Connect, let the listener prepare, and let commands through until the connection ends."""
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            self._protocol = await connect(self._url, self._on_message, self._note_refusal)
        await self._prepare(listener)
        self._ready.set()
        self._dropped_for = None
        self._refusals.note_connect()
        counters.redis_connects += 1
        if self._is_told_away:
            logger.warning("Redis is back")
        self._is_told_away, self._backoff_seconds = False, MIN_BACKOFF_SECONDS
        resolve(first_attempt)
        await self._protocol.closed
        if self._dropped_for is not None:
            raise self._dropped_for

    def _note_refusal(self, error: RefusedError) -> None:
        if not self._ready.is_set():
            # The connect fails with it.
            return
        if error.kind not in WRONG_SERVER:
            self._refusals.note(error)
        elif self._protocol is not None and self._dropped_for is None:
            self._dropped_for = error
            self._protocol.abort()

    def _log_away(self, error: Exception) -> None:
        if not self._is_told_away:
            logger.warning("Redis is away (%s); only clients of one process reach each other", reason_of(error))
        self._is_told_away = True

    async def _prepare(self, listener: Listener) -> None:
        # Not set earlier: tasks that the connection's reader starts must be refused like all others.
        token = _is_reconnecting.set(True)
        try:
            await listener.reconnected()
        finally:
            _is_reconnecting.reset(token)
