"""Writing to a client that may read slowly, or not at all, without making anybody wait for it."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Any

from serving.failures import log_failed_write
from serving.stepping import start
from serving.transport import Event, Transport


class Trouble(Enum):
    """Why a connection cannot be written to."""

    SLOW_CONSUMER = auto()
    WRITE_FAILED = auto()


class SendQueue:
    """What goes to one client, in order; `stop` is called when more than `limit` bytes wait, or a write fails.

    A server that has room takes a frame at once, without a task. Where it makes the sender wait, or
    keeps bytes itself, they are counted. Nothing raises: whoever writes is mostly another client's handler.
    """

    __slots__ = (
        "_backlog",
        "_backlog_bytes",
        "_closing",
        "_in_flight",
        "_limit",
        "_stop",
        "_transport",
        "_writer",
    )

    def __init__(self, transport: Transport, limit: int, stop: Callable[[Trouble], None]) -> None:
        self._transport = transport
        self._limit = limit
        self._stop = stop
        self._backlog: deque[tuple[dict[str, Any], Event | None]] | None = None
        self._backlog_bytes = 0
        self._in_flight: Event | None = None
        self._writer: asyncio.Task[None] | None = None
        self._closing = False

    def write(self, frame: str, event: Event | None = None) -> bool:
        """Send a text frame, now or when there is room; False when the connection is closed.

        `event` is what the frame came from, for `unsent`.
        """
        if self._closing or not self._transport.is_writable():
            return False
        is_taken = self._writer is None and self._transport.send_text(frame)
        if not is_taken:
            is_taken = self._put({"type": "websocket.send", "text": frame}, event)
        if self._limit and self._backlog_bytes + self._transport.buffered_bytes() > self._limit:
            self._stop(Trouble.SLOW_CONSUMER)
        return is_taken

    def unsent(self) -> list[Event]:
        """Take out the events whose frames still wait; these are not sent any more."""
        if self._writer is not None:
            self._writer.cancel()
            self._writer = None
        waiting = [self._in_flight, *(event for _, event in self._backlog or ())]
        self._backlog = self._in_flight = None
        self._backlog_bytes = 0
        return [event for event in waiting if event is not None]

    def close(self, code: int, reason: str) -> None:
        """Send a close frame in place of everything that still waits; nothing goes out after it."""
        if not self._closing:
            self._closing = True
            self._backlog = None
            self._put({"type": "websocket.close", "code": code, "reason": reason}, None)

    def _put(self, message: dict[str, Any], event: Event | None) -> bool:
        if self._writer is not None:
            if self._backlog is None:
                self._backlog = deque()
            self._backlog.append((message, event))
            self._backlog_bytes += _bytes_of(message)
            return True
        try:
            rest = start(self._transport.send(message))
        except OSError:
            return False
        except Exception as error:  # noqa: BLE001 -- whatever a server raises, it could not be written
            self._fail(error)
            return False
        if rest is not None:
            self._in_flight = event
            self._writer = asyncio.get_running_loop().create_task(self._write_on(rest))
        return True

    async def _write_on(self, sending: Awaitable[None]) -> None:
        try:
            while True:
                await sending
                self._in_flight = None
                if not self._backlog:
                    return
                message, self._in_flight = self._backlog.popleft()
                self._backlog_bytes -= _bytes_of(message)
                sending = self._transport.send(message)
        except OSError:
            # The client is gone; what is left is `unsent`.
            return
        except Exception as error:  # noqa: BLE001 -- as in `_put`
            self._writer = None
            self._fail(error)
        finally:
            if self._writer is asyncio.current_task():
                self._writer = None

    def _fail(self, error: Exception) -> None:
        log_failed_write(error)
        if not self._closing:
            self._stop(Trouble.WRITE_FAILED)


def _bytes_of(message: dict[str, Any]) -> int:
    text: str = message.get("text", "")
    return len(text) if text.isascii() else len(text.encode())
