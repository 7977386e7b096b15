"""One WebSocket over plain ASGI: any server's `receive` and `send`, nothing else."""

from serving.contract import (
    EXTENSION,
    LOST,
    NO_CODE_RECEIVED,
    Event,
    Listener,
    Receive,
    Scope,
    Send,
    Trouble,
    WebSocket,
)
from serving.send_queue import SendQueue


def websocket_of(scope: Scope, receive: Receive, send: Send, limit: int) -> WebSocket:
    """Return the server's own WebSocket, unless the scope has none or a middleware wrapped `receive` or `send`.

    More than `limit` bytes that wait to be written are trouble.
    """
    own = scope.get("extensions", {}).get(EXTENSION)
    if own is not None and own.receive == receive and own.send == send:
        websocket: WebSocket = own.wire
        return websocket
    return PlainWebSocket(receive, send, limit)


class PlainWebSocket:
    """A `WebSocket` over ASGI: it can send no pings, and `serve` returns when the connection ends."""

    __slots__ = ("_listener", "_queue", "_receive", "_send")

    can_ping = False

    def __init__(self, receive: Receive, send: Send, limit: int) -> None:
        self._receive = receive
        self._send = send
        self._listener: Listener | None = None
        self._queue = SendQueue(send, limit, self._stop)

    def write(self, text: str, event: Event | None = None) -> bool:
        """Send a text frame when there is room; returns False when the connection is closed."""
        return self._queue.write(text, event)

    def ping(self, _payload: bytes) -> bool:
        """Return False: ASGI has no pings."""
        return False

    def unsent(self) -> list[Event]:
        """Remove the frames that still wait; returns the events they came from."""
        return self._queue.unsent()

    def close(self, code: int, reason: str) -> None:
        """Send a close frame in place of everything that waits."""
        self._queue.close(code, reason)

    async def send(self, event: Event) -> None:
        """Send an event; a text waits behind those before it."""
        kind = event["type"]
        if kind == "websocket.send" and event.get("text") is not None:
            self._queue.write(event["text"])
        elif kind == "websocket.close" and event.get("code") is not None:
            self._queue.close(event["code"], event.get("reason") or "")
        else:
            await self._send(event)

    async def serve(self, listener: Listener) -> None:
        """Tell the listener what happens until the connection ends."""
        self._listener = listener
        code = LOST
        try:
            code = await self._serve(listener)
        except Exception as error:
            listener.failed(error)
            await self._queue.drained()
            if self._queue.is_broken:
                # daphne takes no 1011 from an application, but sends it itself where one raises.
                raise
        finally:
            await listener.closed(code)
            self._queue.end()
            self._listener = None

    async def _serve(self, listener: Listener) -> int:
        while True:
            event = await self._receive()
            kind = event["type"]
            rest = None
            if kind == "websocket.receive":
                rest = listener.received(event.get("text"), event.get("bytes"))
            elif kind == "websocket.connect":
                await listener.opened()
            elif kind == "websocket.ping":
                # From our own server, with a middleware in between.
                rest = listener.pinged()
            elif kind == "websocket.disconnect":
                return close_code(event)
            if rest is not None:
                await rest

    def _stop(self, trouble: Trouble) -> None:
        if self._listener is not None:
            self._listener.troubled(trouble)


def close_code(event: Event) -> int:
    """Return the client's close code from `websocket.disconnect`; 1006 where a lost connection could be meant.

    That only holds calls. uvicorn reports a lost connection like a close frame without a code, 1005, but without a
    reason; plain daphne reports such a frame as None.
    """
    code: int | None = event.get("code")
    return LOST if code is None or (code == NO_CODE_RECEIVED and "reason" not in event) else code
