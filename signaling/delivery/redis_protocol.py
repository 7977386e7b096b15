"""The bytes of one connection to Redis: commands pipelined, replies and pushes in one order.

How it works:
- Commands of one turn of the event loop leave in one write. Each has a future in the queue of replies; Redis replies
  in the order of the commands, so a reply belongs to the oldest future.
- Subscriptions live on the same connection (RESP3). SUBSCRIBE and UNSUBSCRIBE are confirmed by pushes, one for each
  channel, or refused by one reply; so their futures wait in the same queue, each with the number of its channels.
- A reply proves that every push before it was delivered; the registry's handover relies on that order.
- While futures wait, a watchdog looks for silence, and aborts a connection that is silent for too long.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, cast

import hiredis

from signaling.delivery.redis_refusals import RefusedError
from signaling.protocol.errors import UnavailableError

logger = logging.getLogger(__name__)

# A reply that takes longer means that Redis, or the way to it, is gone.
REPLY_TIMEOUT_SECONDS = 2.0
WATCHDOG_INTERVAL_SECONDS = 0.25

Word = str | bytes | float
OnMessage = Callable[[str, bytes], None]
OnRefusal = Callable[[RefusedError], None]

_INCOMPLETE = object()


class RedisProtocol(asyncio.Protocol):
    """An `asyncio.Protocol` that speaks RESP3.

    `on_message(channel, data)` gets what is published, and `on_refusal` each error that Redis replies.
    """

    def __init__(self, on_message: OnMessage, on_refusal: OnRefusal) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_message = on_message
        self._on_refusal = on_refusal
        self._reader = hiredis.Reader(notEnoughData=_INCOMPLETE)
        self._replies: deque[asyncio.Future[Any]] = deque()
        # Of those that wait for confirmations: for how many.
        self._unconfirmed: dict[asyncio.Future[Any], int] = {}
        self._unsent: list[bytes] = []
        self._watchdog: asyncio.TimerHandle | None = None
        self._heard_at = 0.0
        self.closed: asyncio.Future[None] = self._loop.create_future()
        # What ended the connection; None while it stands, and when either side closed it.
        self.lost_by: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Fail every future that still waits with `UnavailableError`, and resolve `closed`."""
        self.lost_by = error
        if self._watchdog is not None:
            self._watchdog.cancel()
        for future in self._replies:
            if not future.done():
                future.set_exception(UnavailableError())
                # The caller may have been cancelled, and asyncio logs an exception that is never retrieved.
                future.exception()
        self._replies.clear()
        self._unconfirmed.clear()
        resolve(self.closed)

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def call(self, command: Iterable[Word]) -> asyncio.Future[Any]:
        """Send a command; the future gets its reply, or `UnavailableError`: a `RefusedError` with Redis' words."""
        return self._send(command)

    def change_subscriptions(self, command: str, channels: tuple[str, ...]) -> asyncio.Future[None]:
        """Send SUBSCRIBE or UNSUBSCRIBE; the future resolves with the last channel's confirmation."""
        future = self._send((command, *channels))
        if not future.done():
            self._unconfirmed[future] = len(channels)
        return future

    # hiredis' types allow one word alone.
    def _send(self, command: Any) -> asyncio.Future[Any]:
        future = self._loop.create_future()
        if self._transport.is_closing():
            future.set_exception(UnavailableError())
            return future
        self._replies.append(future)
        if not self._unsent:
            self._loop.call_soon(self._flush)
        if self._watchdog is None:
            self._heard_at = self._loop.time()
            self._watchdog = self._loop.call_later(WATCHDOG_INTERVAL_SECONDS, self._watch)
        self._unsent.append(hiredis.pack_command(tuple(command)))
        return future

    def _flush(self) -> None:
        self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def _watch(self) -> None:
        self._watchdog = None
        if not self._replies:
            return
        if self._loop.time() - self._heard_at > REPLY_TIMEOUT_SECONDS:
            self._transport.abort()
        else:
            self._watchdog = self._loop.call_later(WATCHDOG_INTERVAL_SECONDS, self._watch)

    def data_received(self, data: bytes) -> None:
        """Feed bytes to the reader; resolve the oldest future with each reply, and handle each push."""
        self._heard_at = self._loop.time()
        reader = self._reader
        reader.feed(data)
        while (reply := reader.gets()) is not _INCOMPLETE:
            if isinstance(reply, hiredis.PushNotification):
                self._handle_push(reply)
                continue
            if not self._replies:
                # An error that Redis sends unasked, before it closes the connection.
                self._transport.abort()
                return
            future = self._replies.popleft()
            if self._unconfirmed:
                # A refused SUBSCRIBE: none of its channels is confirmed.
                self._unconfirmed.pop(future, None)
            if isinstance(reply, hiredis.ReplyError):
                self._refuse(future, RefusedError(str(reply)))
            elif not future.done():
                future.set_result(reply)

    def _refuse(self, future: asyncio.Future[Any], error: RefusedError) -> None:
        if not future.done():
            future.set_exception(error)
        self._on_refusal(error)

    def _handle_push(self, push: list[Any]) -> None:
        kind = push[0]
        if kind == b"message":
            try:
                self._on_message(push[1].decode(), push[2])
            except Exception:
                # One message that cannot be delivered must not break the connection for all others.
                logger.exception("A message from Redis could not be delivered")
        elif kind in {b"subscribe", b"unsubscribe"}:
            self._confirm()

    def _confirm(self) -> None:
        future = self._replies[0]
        self._unconfirmed[future] -= 1
        if not self._unconfirmed[future]:
            del self._unconfirmed[future]
            resolve(self._replies.popleft())


def resolve(future: asyncio.Future[None]) -> None:
    """Set a future's result to None, unless it is done."""
    if not future.done():
        future.set_result(None)
