"""A wire on one end of a socket pair, with a client's bare socket on the other."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from serving.contract import Event, Rest, Trouble
from serving.frames import head_bytes, payload_bytes
from serving.hub import Hub
from serving.opening import Opening, read_opening
from serving.wire import Wire

ANSWER_SECONDS = 20
CAP_BYTES = 262_144
LIMIT_BYTES = 1 << 20
HANDSHAKE = b"\r\n".join(
    [
        b"GET /signal HTTP/1.1",
        b"Host: localhost",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        b"Sec-WebSocket-Version: 13",
        b"\r\n",
    ]
)


def opening() -> Opening:
    """Read a valid handshake."""
    read = read_opening(HANDSHAKE, ("203.0.113.9", 50_000), ("192.0.2.1", 80), frozenset())
    assert isinstance(read, Opening)
    return read


class Recorder:
    """A listener that notes what it is told, and does what the test asks of it."""

    def __init__(self) -> None:
        self.heard: list[str | bytes] = []
        self.pings = 0
        self.pongs: list[bytes] = []
        self.troubles: list[Trouble] = []
        self.errors: list[Exception] = []
        self.code: int | None = None
        self.end = asyncio.Event()
        self.on_message: Callable[[str | bytes], Rest | None] = lambda _: None

    async def opened(self) -> None:
        """Do nothing."""

    def received(self, text: str | None, data: bytes | None) -> Rest | None:
        """Note a message."""
        message: str | bytes = text if text is not None else data or b""
        self.heard.append(message)
        return self.on_message(message)

    def pinged(self) -> None:
        """Note a ping."""
        self.pings += 1

    def ponged(self, payload: bytes) -> None:
        """Note a pong."""
        self.pongs.append(payload)

    def troubled(self, trouble: Trouble) -> None:
        """Note it."""
        self.troubles.append(trouble)

    def failed(self, error: Exception) -> None:
        """Note it."""
        self.errors.append(error)

    async def closed(self, code: int) -> None:
        """Note the end."""
        assert self.code is None, "the end was told twice"
        self.code = code
        self.end.set()

    async def ends(self) -> int:
        """Wait for the end; returns its code."""
        async with asyncio.timeout(ANSWER_SECONDS):
            await self.end.wait()
        assert self.code is not None
        return self.code


class Rig:
    """One connection."""

    def __init__(self, *, write_limit_bytes: int = LIMIT_BYTES, buffer_bytes: int | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.hub = Hub(loop, write_limit_bytes=write_limit_bytes, max_message_bytes=CAP_BYTES)
        self.client, server = socket.socketpair()
        for end in (self.client, server):
            end.setblocking(False)  # noqa: FBT003 -- the socket module's
            if buffer_bytes is not None:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
        self.recorder = Recorder()
        self.wire = Wire(self.hub, server, opening(), b"")
        self.wire.listen(self.recorder)
        self.came = b""

    async def accepted(self) -> "Rig":
        """Have the application accept the handshake."""
        self.wire.accept(None, ())
        await self.hears(b"\r\n\r\n")
        self.came = b""
        return self

    async def says(self, *pieces: bytes) -> None:
        """Send pieces, and let the server read each."""
        loop = asyncio.get_running_loop()
        for piece in pieces:
            await loop.sock_sendall(self.client, piece)
            await settled()

    async def hears(self, words: bytes) -> None:
        """Read until these words have come."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while words not in self.came:
                data = await asyncio.get_running_loop().sock_recv(self.client, 1 << 16)
                assert data, f"no {words!r} in {self.came[-200:]!r}"
                self.came += data

    async def hears_the_end(self) -> bytes:
        """Read until the server has closed its side; returns all that came and was not read."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while data := await asyncio.get_running_loop().sock_recv(self.client, 1 << 16):
                self.came += data
        return self.came

    def frames(self) -> list[bytes]:
        """Split what came into frames."""
        frames, at = [], 0
        while at < len(self.came):
            head = self.came[at : at + head_bytes(self.came[at : at + 2])]
            size = len(head) + payload_bytes(head)
            frames.append(self.came[at : at + size])
            at += size
        return frames


async def settled() -> None:
    """Let the event loop do what is to be done now."""
    for _ in range(4):
        await asyncio.sleep(0)


@contextmanager
def closing(rig: Rig) -> Iterator[Rig]:
    """Close both ends at the end."""
    try:
        yield rig
    finally:
        rig.client.close()
        rig.wire.drop()


def events_of(heard: list[Event], kind: str) -> list[Event]:
    """Return the events of one kind."""
    return [event for event in heard if event["type"] == kind]
