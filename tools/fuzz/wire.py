"""A client on a raw socket: it sends any bytes, also what breaks RFC 6455 and no library sends, and reads frames."""

import socket
from types import TracebackType
from typing import Self

from tools.fuzz.frames import CLOSE

HANDSHAKE = (
    b"GET /signal HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
NO_CODE_RECEIVED = 1005
# So long without an answer is no answer.
PATIENCE_SECONDS = 10


class LostError(Exception):
    """The server ended the TCP connection without a close frame."""


class ClosedError(Exception):
    """The server sent a close frame."""

    def __init__(self, code: int) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class Wire:
    """One TCP connection to a server on this machine."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._came = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes to the server; ignore that it may have closed the connection."""
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return

    def shake_hands(self) -> None:
        """Open the WebSocket."""
        self.send(HANDSHAKE)
        head = self.head()
        if not head.startswith(b"HTTP/1.1 101 "):
            raise LostError(head.decode("latin-1"))

    def head(self) -> bytes:
        """Read the head of an HTTP response; what there is of it when the server hangs up."""
        try:
            while b"\r\n\r\n" not in self._came:
                self._read()
        except LostError:
            head, self._came = self._came, b""
            return head
        head, _, self._came = self._came.partition(b"\r\n\r\n")
        return head

    def frame(self) -> tuple[int, bytes]:
        """Read the next frame: its opcode and its payload. Raises `ClosedError` for a close frame."""
        self._need(2)
        length, start = self._came[1], 2
        if length >= 126:
            start = 4 if length == 126 else 10
            self._need(start)
            length = int.from_bytes(self._came[2:start], "big")
        self._need(start + length)
        opcode, payload = self._came[0] & 0xF, self._came[start : start + length]
        self._came = self._came[start + length :]
        if opcode == CLOSE:
            raise ClosedError(int.from_bytes(payload[:2], "big") if payload else NO_CODE_RECEIVED)
        return opcode, payload

    def _need(self, count: int) -> None:
        while len(self._came) < count:
            self._read()

    def _read(self) -> None:
        try:
            data = self._socket.recv(1 << 18)
        except ConnectionResetError:
            data = b""
        if not data:
            raise LostError
        self._came += data
