"""What ASGI does not tell about a connection, from the servers that know: daphne and uvicorn."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

Send = Callable[[dict[str, Any]], Awaitable[None]]

# RFC 6455, section 7.4.1
LOST = 1006

# autobahn's WebSocketProtocol.STATE_OPEN
_AUTOBAHN_OPEN = 3


class Transport:
    """The server's side of a connection, found behind its `send`; an unknown server tells nothing."""

    __slots__ = ("_protocol", "buffered_bytes", "is_open")

    def __init__(self, send: Send) -> None:
        self._protocol: Any = send.args[0] if isinstance(send, partial) else getattr(send, "__self__", None)
        transport: Any = getattr(self._protocol, "transport", None)
        # How much the server has not written yet. daphne never makes a sender wait: without this its
        # memory grows for as long as a client does not read.
        self.buffered_bytes: Callable[[], int] = _nothing
        # Whether a frame would go out. daphne drops frames for a client that is gone without a word,
        # while its `websocket.disconnect` still waits to be read.
        self.is_open: Callable[[], bool] = _always
        if hasattr(transport, "get_write_buffer_size"):
            self.buffered_bytes = transport.get_write_buffer_size
            self.is_open = self._uvicorn_is_open
        elif hasattr(transport, "dataBuffer"):
            self.buffered_bytes = self._twisted_buffer
            self.is_open = self._autobahn_is_open

    def watch_pings(self, on_ping: Callable[[], None]) -> None:
        """Call `on_ping` at every WebSocket ping frame, on a server that has no event for it (uvicorn)."""
        answer = getattr(self._protocol, "handle_ping", None)
        if answer is None:
            return

        def handle_ping() -> None:
            on_ping()
            answer()

        self._protocol.handle_ping = handle_ping

    def close_code(self, event: dict[str, Any]) -> int:
        """Return the client's close code from `websocket.disconnect`; 1006 when it sent no close frame.

        uvicorn reports a lost connection as 1005, like a close frame without a code, but without a reason.
        """
        if self.is_open == self._uvicorn_is_open and "reason" not in event:
            return LOST
        code: int = event.get("code", LOST)
        return code

    def _twisted_buffer(self) -> int:
        transport = self._protocol.transport
        if transport is None:
            return 0
        waiting: int = transport._tempDataLen  # noqa: SLF001 -- Twisted has no accessor
        return len(transport.dataBuffer) - int(transport.offset) + waiting

    def _autobahn_is_open(self) -> bool:
        return bool(self._protocol.state == _AUTOBAHN_OPEN)

    def _uvicorn_is_open(self) -> bool:
        return not (self._protocol.disconnected or self._protocol.close_sent)


def _nothing() -> int:
    return 0


def _always() -> bool:
    return True
