"""A server's end of one WebSocket: what any ASGI server has, and what ours adds to that."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

Event = dict[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Take = Callable[[Event], Event | None]

# Names a `Transport` among the `extensions` of a scope.
EXTENSION = "securecall.transport"

# RFC 6455, section 7.4.1
NO_CODE_RECEIVED = 1005
LOST = 1006


class Transport(Protocol):
    """A server's end of a connection."""

    @property
    def receive(self) -> Receive:
        """Return what the application was given to receive events."""

    @property
    def send(self) -> Send:
        """Return what the application was given to send events."""

    def is_writable(self) -> bool:
        """Return whether a frame would go out: a close counts before the application has heard of it."""

    def buffered_bytes(self) -> int:
        """Count the bytes that the server took and has not written, where it makes no sender wait for them."""

    def send_text(self, text: str) -> bool:
        """Write a text frame here and now; returns False where only `send` can."""

    def hand_over(self, take: Take) -> None:
        """Give each event to `take` while it is read, where the server can; queue what it returns."""

    def close_code(self, event: Event) -> int:
        """Return the client's close code from `websocket.disconnect`; 1006 when it sent no close frame."""

    def detach(self) -> None:
        """Let go of what `hand_over` was given: a circle is freed only by the garbage collector."""


class PlainTransport:
    """Any ASGI server's: it has `receive` and `send`, and nothing else."""

    __slots__ = ("receive", "send")

    def __init__(self, receive: Receive, send: Send) -> None:
        self.receive = receive
        self.send = send

    def is_writable(self) -> bool:
        """Return True; `send` raises when it is not."""
        return True

    def buffered_bytes(self) -> int:
        """Return 0; where the server bounds its buffer, `send` waits."""
        return 0

    def send_text(self, _text: str) -> bool:
        """Leave it to `send`."""
        return False

    def hand_over(self, take: Take) -> None:
        """Leave events to `receive`."""

    def close_code(self, event: Event) -> int:
        """Return the code; 1006 where a lost connection could be meant, as that only holds calls.

        uvicorn reports a lost connection like a close frame without a code, 1005, but without a reason; plain daphne
        reports such a frame as None.
        """
        code: int | None = event.get("code")
        return LOST if code is None or (code == NO_CODE_RECEIVED and "reason" not in event) else code

    def detach(self) -> None:
        """Do nothing."""


class EventQueue(asyncio.Queue[Event]):
    """Events that wait for an application; `take` is asked first about each that would not wait behind others."""

    take: Take | None = None

    def put_nowait(self, event: Event) -> None:
        """Queue what `take` leaves of an event."""
        left = event if self.take is None or self.qsize() else self.take(event)
        if left is not None:
            super().put_nowait(left)


def transport_of(scope: Mapping[str, Any], receive: Receive, send: Send) -> Transport:
    """Return the server's own transport, unless the scope has none or a middleware stands before it."""
    own: Transport | None = scope.get("extensions", {}).get(EXTENSION)
    if own is not None and own.receive == receive and own.send == send:
        return own
    return PlainTransport(receive, send)
