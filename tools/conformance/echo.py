"""An ASGI application that sends every message back: at `/asgi` by events, elsewhere as the consumer is served."""

import logging

from serving.contract import Receive, Rest, Scope, Send, Trouble, WebSocket
from serving.plain import websocket_of

logger = logging.getLogger(__name__)

# More that waits to be written is trouble, where the server counts.
LIMIT_BYTES = 1 << 20


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a WebSocket, the health check, or the server's start and stop."""
    if scope["type"] == "lifespan":
        while (kind := (await receive())["type"]) != "lifespan.shutdown":
            await send({"type": f"{kind}.complete"})
        await send({"type": f"{kind}.complete"})
    elif scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'{"status":"ok"}'})
    elif scope["path"] == "/asgi":
        await _echo(receive, send)
    else:
        websocket = websocket_of(scope, receive, send, LIMIT_BYTES)
        await websocket.serve(Echo(websocket))


async def _echo(receive: Receive, send: Send) -> None:
    while (event := await receive())["type"] != "websocket.disconnect":
        if event["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        elif event["type"] == "websocket.receive":
            # An event may hold the one that it is not as None.
            await send({"type": "websocket.send", "text": event.get("text"), "bytes": event.get("bytes")})


class Echo:
    """A listener that sends every message back."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def opened(self) -> None:
        """Accept the handshake."""
        await self._websocket.send({"type": "websocket.accept"})

    def received(self, text: str | None, data: bytes | None) -> Rest | None:
        """Send a message back."""
        if text is None:
            return self._websocket.send({"type": "websocket.send", "bytes": data})
        self._websocket.write(text)
        return None

    def pinged(self) -> None:
        """Do nothing: the server has answered."""

    def ponged(self, payload: bytes) -> None:
        """Do nothing."""

    def troubled(self, trouble: Trouble) -> None:
        """Close the connection, as the consumer does."""
        self._websocket.close(4507, trouble.name)

    def failed(self, error: Exception) -> None:
        """Log an exception and close the connection."""
        logger.error("the echo met a bug", exc_info=error)
        self._websocket.close(1011, "")

    async def closed(self, code: int) -> None:
        """Do nothing: there is nothing to clean up."""
