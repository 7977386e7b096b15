"""One connection to Redis for a whole process: commands pipelined, replies and pushes in one order.

redis-py sends a command, waits and sends the next; on the way of a message that is half of its cost. Here
all that a turn of the event loop sends leaves in one write, and because subscriptions live on the same
connection (RESP3), a reply says that every push before it has been seen. The registry's handover builds
on that order.
"""

import asyncio
import contextlib
import logging
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, cast

import hiredis
from redis.asyncio.connection import parse_url

from signaling.protocol.errors import UnavailableError
from signaling.telemetry.counters import counters

logger = logging.getLogger(__name__)

MIN_BACKOFF_SECONDS = 0.05
MAX_BACKOFF_SECONDS = 1.0
CONNECT_TIMEOUT_SECONDS = 3.0
# A reply that takes longer means that Redis, or the way to it, is gone.
REPLY_TIMEOUT_SECONDS = 2.0
WATCH_SECONDS = 0.25

Push = Callable[[str, bytes], None]

# Set where the `on_connect` callbacks run: their commands go through while all others still wait for them.
_is_reconnecting: ContextVar[bool] = ContextVar("is_reconnecting", default=False)


class RedisLink:
    """A connection that heals itself; while it is down every command raises `UnavailableError`.

    `on_message(channel, data)` gets what is published to a subscribed channel. `on_connect` callbacks
    run after every connect, before anybody else's commands; `on_disconnect` ones after every end of a
    connection, also one that never got that far.
    """

    def __init__(self, url: str, on_message: Push) -> None:
        self._options = parse_url(url)
        self._on_message = on_message
        self.on_connect: list[Callable[[], Awaitable[None]]] = []
        self.on_disconnect: list[Callable[[], None]] = []
        self._protocol: _Protocol | None = None
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_up(self) -> bool:
        """Whether commands go through now."""
        return self._ready.is_set()

    async def start(self) -> None:
        """Begin to connect, and wait for the first attempt to end, well or not."""
        if self._task is None:
            first_attempt = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._keep_connected(first_attempt))
            self._first_attempt = first_attempt
        await asyncio.shield(self._first_attempt)

    async def stop(self) -> None:
        """Close the connection for good."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def call(self, *command: str | bytes | float) -> asyncio.Future[Any]:
        """Send a command; the future is its reply, or `UnavailableError`."""
        protocol = self._protocol
        if protocol is None or not (self._ready.is_set() or _is_reconnecting.get()):
            failed = asyncio.get_running_loop().create_future()
            failed.set_exception(UnavailableError())
            return failed
        return protocol.call(command)

    async def subscribe(self, *channels: str) -> None:
        """Subscribe; returns when Redis has confirmed it."""
        if not (self._ready.is_set() or _is_reconnecting.get()):
            raise UnavailableError
        await self._change_subscriptions("SUBSCRIBE", channels)

    async def unsubscribe(self, *channels: str) -> None:
        """Unsubscribe; when it returns nothing more will come."""
        await self._change_subscriptions("UNSUBSCRIBE", channels)

    async def _change_subscriptions(self, command: str, channels: tuple[str, ...]) -> None:
        protocol = self._protocol
        if protocol is None:
            raise UnavailableError
        await protocol.change_subscriptions(command, channels)

    async def _keep_connected(self, first_attempt: asyncio.Future[None]) -> None:
        backoff = MIN_BACKOFF_SECONDS
        was_up = True
        while True:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                    self._protocol = await self._connect()
                await self._prepare()
                self._ready.set()
                counters.redis_connects += 1
                if not was_up:
                    logger.warning("Redis is back")
                was_up, backoff = True, MIN_BACKOFF_SECONDS
                _finish(first_attempt)
                await self._protocol.closed
            except (OSError, UnavailableError, hiredis.HiredisError, TimeoutError) as error:
                if was_up:
                    # What Redis itself says is about the settings; what a socket says may be an address.
                    what = str(error) if isinstance(error, hiredis.ReplyError) else type(error).__name__
                    logger.warning("Redis is away (%s); only clients of one process reach each other", what)
                was_up = False
            except Exception:
                # A bug in a callback must not leave the process without Redis for ever.
                logger.exception("What follows a connect to Redis failed; it is tried again")
                was_up = False
            finally:
                self._ready.clear()
                if self._protocol is not None:
                    self._protocol.abort()
                    self._protocol = None
                for disconnected in self.on_disconnect:
                    disconnected()
                _finish(first_attempt)
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, MAX_BACKOFF_SECONDS)

    async def _prepare(self) -> None:
        # Not earlier: what the connection's reader starts must wait like everybody else.
        token = _is_reconnecting.set(True)
        try:
            for callback in self.on_connect:
                await callback()
        finally:
            _is_reconnecting.reset(token)

    async def _connect(self) -> "_Protocol":
        options = self._options
        _, protocol = await asyncio.get_running_loop().create_connection(
            lambda: _Protocol(self._on_message),
            options.get("host", "localhost"),
            options.get("port", 6379),
            ssl=_tls(options),
        )
        try:
            hello: list[str | bytes | float] = ["HELLO", 3]
            if options.get("password"):
                hello += ["AUTH", options.get("username") or "default", options["password"]]
            await protocol.call(hello)
            if options.get("db"):
                await protocol.call(["SELECT", options["db"]])
        except BaseException:
            protocol.abort()
            raise
        return protocol


class _Protocol(asyncio.Protocol):
    def __init__(self, on_message: Push) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_message = on_message
        self._reader = hiredis.Reader(notEnoughData=_INCOMPLETE)
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._changes: deque[asyncio.Future[None]] = deque()
        self._unsent: list[bytes] = []
        self._watchdog: asyncio.TimerHandle | None = None
        self._heard_at = 0.0
        self.closed = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _error: Exception | None) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
        for future in (*self._waiting, *self._changes):
            if not future.done():
                future.set_exception(UnavailableError())
                # Whoever asked may have gone meanwhile.
                future.exception()
        self._waiting.clear()
        self._changes.clear()
        _finish(self.closed)

    def abort(self) -> None:
        self._transport.abort()

    def call(self, command: Any) -> asyncio.Future[Any]:
        return self._send(command, self._waiting)

    def change_subscriptions(self, command: str, channels: tuple[str, ...]) -> asyncio.Future[None]:
        # The replies are pushes, one a channel, in the order of the requests; the last one tells.
        unheard = (self._loop.create_future() for _ in channels[1:])
        return self._send((command, *channels), self._changes, *unheard)

    def _send(
        self, command: Any, queue: deque[asyncio.Future[Any]], *unheard: asyncio.Future[Any]
    ) -> asyncio.Future[Any]:
        future = self._loop.create_future()
        if self._transport.is_closing():
            future.set_exception(UnavailableError())
            return future
        queue.extend(unheard)
        queue.append(future)
        if not self._unsent:
            self._loop.call_soon(self._flush)
        if self._watchdog is None:
            self._heard_at = self._loop.time()
            self._watchdog = self._loop.call_later(WATCH_SECONDS, self._watch)
        self._unsent.append(hiredis.pack_command(tuple(command)))
        return future

    def _flush(self) -> None:
        self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def _watch(self) -> None:
        self._watchdog = None
        if not self._waiting and not self._changes:
            return
        if self._loop.time() - self._heard_at > REPLY_TIMEOUT_SECONDS:
            self._transport.abort()
        else:
            self._watchdog = self._loop.call_later(WATCH_SECONDS, self._watch)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        reader = self._reader
        reader.feed(data)
        while (reply := reader.gets()) is not _INCOMPLETE:
            if isinstance(reply, hiredis.PushNotification):
                self._pushed(reply)
                continue
            if not self._waiting:
                # A refused SUBSCRIBE: nobody can tell which.
                self._transport.abort()
                return
            future = self._waiting.popleft()
            if future.done():
                continue
            if isinstance(reply, hiredis.ReplyError):
                future.set_exception(reply)
            else:
                future.set_result(reply)

    def _pushed(self, push: list[Any]) -> None:
        kind = push[0]
        if kind == b"message":
            try:
                self._on_message(push[1].decode(), push[2])
            except Exception:
                # One message that cannot be delivered must not break the way for all others.
                logger.exception("A message from Redis could not be delivered")
        elif kind in {b"subscribe", b"unsubscribe"}:
            _finish(self._changes.popleft())


_INCOMPLETE = object()


def _tls(options: Mapping[str, Any]) -> ssl.SSLContext | None:
    # As redis-py reads the URL: rediss://, with ssl_cert_reqs=none and ssl_ca_certs=PATH if need be.
    if options.get("connection_class") is None:
        return None
    context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
    if options.get("ssl_cert_reqs") == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
