"""One WebSocket as an application sees it, whatever server is below: `wire` is ours, `plain` is any ASGI server's."""

import asyncio
import enum
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, Protocol

Event = dict[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Scope = MutableMapping[str, Any]
# What is left of handling something.
Rest = Coroutine[Any, Any, None] | asyncio.Future[None]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# Names the server's own end among the `extensions` of a scope.
EXTENSION = "securecall.wire"

# RFC 6455, section 7.4.1
NO_CODE_RECEIVED = 1005
LOST = 1006
INTERNAL_ERROR = 1011
SERVICE_RESTART = 1012


class Trouble(enum.Enum):
    """Why a connection cannot be written to."""

    SLOW_CONSUMER = enum.auto()
    WRITE_FAILED = enum.auto()


class Listener(Protocol):
    """Is told what happens on one connection.

    Where a method returns a coroutine or a future, the connection waits for it before it reads the next frame.
    """

    async def opened(self) -> None:
        """Answer the opening handshake."""

    def received(self, text: str | None, data: bytes | None) -> Rest | None:
        """Handle a message: a text, or bytes."""

    def pinged(self) -> Rest | None:
        """Note a ping frame, which has been answered; servers that hide them do not call this."""

    def ponged(self, payload: bytes) -> None:
        """Note a pong frame; servers that hide them do not call this."""

    def troubled(self, trouble: Trouble) -> None:
        """Close the connection, which cannot be written to."""

    def failed(self, error: Exception) -> None:
        """Log an exception that a method here raised, and close the connection."""

    async def closed(self, code: int) -> None:
        """Clean up: the connection ended with this close code, ours where the server closed it."""


class WebSocket(Protocol):
    """One connection; nothing here raises but `send` of a handshake that is over, or waits but `send` and `serve`.

    `can_ping` says whether the server can send pings, and tells of pongs.
    """

    @property
    def can_ping(self) -> bool:
        """Return the same for all connections of a server."""

    def write(self, text: str, event: Event | None = None) -> bool:
        """Send a text frame soon; returns False when the connection is closed. `unsent` may return `event`."""

    def ping(self, payload: bytes) -> bool:
        """Send a ping frame; returns False when the connection is closed, or the server cannot."""

    def unsent(self) -> list[Event]:
        """Remove the frames that still wait and are not the server's yet; returns the events they came from."""

    def close(self, code: int, reason: str) -> None:
        """Send a close frame; nothing goes out after it."""

    async def send(self, event: Event) -> None:
        """Send an ASGI event: accept or refuse the handshake, send a message, close."""

    async def serve(self, listener: Listener) -> None:
        """Tell the listener what happens; returns at once where the server goes on without the application."""
