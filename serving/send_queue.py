"""Writing to a client by ASGI's `send`, which may wait for the client, without making anybody else wait."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from serving.contract import Event, Send, Trouble
from serving.failures import log_failed_write


class Waiting(NamedTuple):
    """A message that waits, and the event that it came from; None: it is a reply."""

    message: dict[str, Any]
    event: Event | None


class SendQueue:
    """What goes to one client, in order; `stop` is called when more than `limit` bytes wait, or a write fails.

    One task writes while anything waits, and ends with it. Whether there is room the server shows by not waiting in
    `send`: bytes count, and a close goes ahead of them, only while it waits. Nothing raises: whoever writes is mostly
    another client's handler.
    """

    __slots__ = (
        "_backlog",
        "_backlog_bytes",
        "_closing",
        "_in_flight",
        "_is_broken",
        "_is_gone",
        "_limit",
        "_send",
        "_stop",
        "_writer",
    )

    def __init__(self, send: Send, limit: int, stop: Callable[[Trouble], None]) -> None:
        self._send = send
        self._limit = limit
        self._stop = stop
        self._backlog: deque[Waiting] | None = None
        self._backlog_bytes = 0
        # What the server has and has not written: it makes the writer wait.
        self._in_flight: Waiting | None = None
        self._writer: asyncio.Task[None] | None = None
        self._closing = False
        # The client has gone: what waits is `unsent`.
        self._is_gone = False
        self._is_broken = False

    def write(self, frame: str, event: Event | None = None) -> bool:
        """Send a text frame when there is room; returns False when the connection is closed.

        `event` is what the frame came from, for `unsent`.
        """
        if self._closing or self._is_gone:
            return False
        self._put({"type": "websocket.send", "text": frame}, event)
        if self._in_flight is not None:
            self._check_room()
        return True

    def unsent(self) -> list[Event]:
        """Remove what still waits and came from an event; returns the events. Replies go out where there is room."""
        waiting = list(self._backlog or ())
        if self._in_flight is not None:
            waiting.insert(0, self._in_flight)
            self._stop_writing()
            self._backlog = None
        elif self._is_gone:
            self._backlog = None
        else:
            self._backlog = deque(one for one in waiting if one.event is None)
        self._backlog_bytes = sum(_bytes_of(one.message) for one in self._backlog or ())
        return [one.event for one in waiting if one.event is not None]

    @property
    def is_broken(self) -> bool:
        """Return whether the server refused a close frame, and has to end the connection itself."""
        return self._is_broken

    def close(self, code: int, reason: str) -> None:
        """Send a close frame, in place of everything for which there is no room; nothing goes out after it."""
        if not self._closing:
            self._closing = True
            if self._in_flight is not None:
                self._backlog = None
                self._backlog_bytes = 0
            self._put({"type": "websocket.close", "code": code, "reason": reason}, None)

    def end(self) -> None:
        """Write nothing more, and forget who is told of trouble: a circle is freed only by the garbage collector."""
        self._closing = True
        self._stop = _ignore
        self._stop_writing()

    async def drained(self) -> None:
        """Wait until nothing waits, or the client has gone."""
        if self._writer is not None:
            await asyncio.wait([self._writer])

    def _put(self, message: dict[str, Any], event: Event | None) -> None:
        if self._backlog is None:
            self._backlog = deque()
        self._backlog.append(Waiting(message, event))
        self._backlog_bytes += _bytes_of(message)
        if self._writer is None and not self._is_gone:
            self._writer = asyncio.get_running_loop().create_task(self._write_on())

    def _stop_writing(self) -> None:
        if self._writer is not None:
            self._writer.cancel()
        self._writer = self._in_flight = None

    async def _write_on(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._backlog:
                waiting = self._in_flight = self._backlog.popleft()
                self._backlog_bytes -= _bytes_of(waiting.message)
                # Comes about only where the server waits.
                check = loop.call_soon(self._check_room)
                try:
                    await self._send(waiting.message)
                finally:
                    check.cancel()
                self._in_flight = None
        except OSError:
            self._is_gone = True
            if self._backlog is not None and self._in_flight is not None:
                self._backlog.appendleft(self._in_flight)
            self._in_flight = None
        except Exception as error:  # noqa: BLE001 -- whatever a server raises, it could not be written
            self._writer = None
            self._fail(error)
            self._in_flight = None
        finally:
            if self._writer is asyncio.current_task():
                self._writer = None

    def _check_room(self) -> None:
        if 0 < self._limit < self._backlog_bytes and not self._closing:
            self._stop(Trouble.SLOW_CONSUMER)

    def _fail(self, error: Exception) -> None:
        log_failed_write(error)
        self._is_broken = self._closing
        if not self._closing:
            self._stop(Trouble.WRITE_FAILED)


def _ignore(_trouble: Trouble) -> None:
    """Do nothing: the connection has ended."""


def _bytes_of(message: dict[str, Any]) -> int:
    text: str = message.get("text", "")
    return len(text) if text.isascii() else len(text.encode())
