"""One WebSocket to a signaling server, and typed messages on it."""

import contextlib
from collections.abc import Iterator
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from securecall_client.codec import decode, encode
from securecall_client.errors import ABNORMAL, ClosedError, InvalidFrameError, RequestError
from securecall_client.messages import ClientMessage, Error, Register, Registered, ServerMessage, Unknown
from securecall_client.ownership import Identity, registration

OPEN_SECONDS = 10
CLOSE_SECONDS = 2
# The server's frames have at most 65,536 bytes; more than four times that is none of its.
MAX_FRAME_BYTES = 256 * 1024


class Connection:
    """An open connection: messages go and come one by one, and nothing is sent or answered by itself.

    `Client` is built on it, and is what applications use. This is for programs that look at each message, such as
    tests. Everything raises `ClosedError` once the connection is closed.
    """

    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket

    @classmethod
    async def open(cls, url: str, *, open_timeout: float = OPEN_SECONDS, **options: Any) -> Self:
        """Open a connection to `url`, such as `wss://host/signal`, within `open_timeout` seconds.

        `options` are those of `websockets.asyncio.client.connect`: `origin` (none by default, as native apps do),
        `ssl`, `proxy`, `additional_headers`. Raises `OSError` (`TimeoutError` is one) where nothing can be reached,
        and an error of `websockets.exceptions`: `InvalidURI`; `InvalidStatus` where the handshake is refused.
        """
        # The server offers no compression, and it is the protocol's heartbeats that keep a connection alive.
        defaults: dict[str, Any] = {
            "compression": None,
            "ping_interval": None,
            "max_size": MAX_FRAME_BYTES,
            "close_timeout": CLOSE_SECONDS,
        }
        return cls(await connect(url, open_timeout=open_timeout, **defaults | options))

    async def send(self, message: ClientMessage) -> None:
        """Send a message; waits while the server reads more slowly than this client writes."""
        await self.send_frame(encode(message))

    async def receive(self) -> ServerMessage:
        """Return the next message. Raises `InvalidFrameError` for a frame that is none; the next one can follow."""
        return decode(await self.receive_frame())

    @property
    def host(self) -> str:
        """Return the host of the URL that was opened, as signatures name it: no server told it."""
        request = self.websocket.request
        return "" if request is None else request.headers["Host"].lower()

    async def register(self, client_id: str, identity: Identity | None = None) -> Registered:
        """Register, as the first request of a connection; raises `RequestError` where it is refused.

        `identity` signs where the client ID belongs to a key.
        """
        answer = await self._ask(Register(client_id, calls=True))
        if isinstance(answer, Error) and answer.challenge is not None and identity is not None:
            signature = identity.sign(registration(self.host, client_id, answer.challenge))
            answer = await self._ask(Register(client_id, answer.challenge, signature, calls=True))
        if isinstance(answer, Error):
            raise RequestError.of(answer)
        if not isinstance(answer, Registered):
            raise InvalidFrameError("Instead of the answer to REGISTER came another message.")
        return answer

    async def _ask(self, request: Register) -> ServerMessage:
        # A server that takes no more connections has closed this one by now, and said why before.
        with contextlib.suppress(ClosedError):
            await self.send(request)
        while isinstance(answer := await self.receive(), Unknown):
            pass
        return answer

    async def send_frame(self, frame: str | bytes) -> None:
        """Send a text frame (`str`) or a binary one (`bytes`) as it is."""
        with _closed_errors():
            await self.websocket.send(frame)

    async def receive_frame(self) -> str | bytes:
        """Return the next frame as it came: `str` if it is text."""
        with _closed_errors():
            return await self.websocket.recv()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close, and wait until that is done or 2 s are over.

        1000 ends the client's calls at once; 1001 (the app changes networks, or starts anew) and other codes hold them
        for a while (docs/protocol.md, "Reconnecting"). A connection that is closed already stays as it is.
        """
        await self.websocket.close(code, reason)

    def abort(self) -> None:
        """Cut the TCP connection without a close frame."""
        self.websocket.transport.abort()


@contextlib.contextmanager
def _closed_errors() -> Iterator[None]:
    try:
        yield
    except ConnectionClosed as closed:
        received = closed.rcvd
        raise ClosedError(received.code if received else ABNORMAL, received.reason if received else "") from closed
