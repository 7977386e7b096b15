"""The application behind the front of our own server, in the test's event loop."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from websockets.frames import Frame, Opcode

from serving.contract import Application
from serving.endpoints import listen
from serving.front import Front, Options
from serving.hub import Hub
from serving.tests.rig import ANSWER_SECONDS, HANDSHAKE
from signaling.cluster import node

CLOSE = Frame(Opcode.CLOSE, (1000).to_bytes(2, "big")).serialize(mask=True)


class NoHttpError(Exception):
    """What came was no opening handshake."""


def refuse_http(_connection: socket.socket, came: bytes) -> None:
    """Fail: these tests speak WebSocket alone."""
    raise NoHttpError(came)


@asynccontextmanager
async def site(application: Application) -> AsyncIterator["Site"]:
    """Serve an application on a free port; the node stops at the end."""
    loop = asyncio.get_running_loop()
    hub = Hub(loop, write_limit_bytes=1 << 20, max_message_bytes=262_144)
    options = Options(websocket_paths=frozenset({b"/signal"}), close_seconds=5, on_refused=lambda: None)
    front = Front(hub, application, refuse_http, options)
    listening = listen("tcp:0:interface=127.0.0.1")
    front.listen(listening)
    async with AsyncExitStack() as stack:
        made = Site(hub, listening.getsockname(), stack)
        try:
            yield made
        finally:
            front.stop_listening()
            for wire in list(hub.wires):
                wire.drop()
            while hub.tasks:
                await asyncio.wait(hub.tasks)
            await node.stop()


class Site:
    """Where clients connect."""

    def __init__(self, hub: Hub, address: tuple[str, int], stack: AsyncExitStack) -> None:
        self.hub = hub
        self.address = address
        self._stack = stack

    @property
    def url(self) -> str:
        """Where the `websockets` library connects."""
        return f"ws://{self.address[0]}:{self.address[1]}/signal"

    async def connect(self) -> "Bare":
        """Open a WebSocket over a bare socket."""
        bare = socket.socket()
        self._stack.callback(bare.close)
        bare.setblocking(False)  # noqa: FBT003 -- the socket module's
        await asyncio.get_running_loop().sock_connect(bare, self.address)
        client = Bare(bare)
        client.sends(HANDSHAKE)
        await client.hears("101 Switching Protocols")
        return client


class Bare:
    """A client on a bare socket."""

    def __init__(self, own: socket.socket) -> None:
        self.socket = own
        self.came = ""

    def sends(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.send(data)

    def says(self, text: str) -> None:
        """Send a message."""
        self.sends(Frame(Opcode.TEXT, text.encode()).serialize(mask=True))

    async def hears(self, words: str) -> None:
        """Read up to these words."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while words not in self.came:
                data = await asyncio.get_running_loop().sock_recv(self.socket, 1 << 16)
                assert data, f"no {words!r} in {self.came!r}"
                self.came += data.decode(errors="replace")
        self.came = self.came.partition(words)[2]

    async def is_cut_off(self) -> None:
        """Read to the end, which must come."""
        async with asyncio.timeout(ANSWER_SECONDS):
            try:
                while await asyncio.get_running_loop().sock_recv(self.socket, 1 << 16):
                    pass
            except ConnectionResetError:
                return


def message(message_type: str, **payload: Any) -> str:
    """Make a message."""
    return json.dumps({"type": message_type, "payload": payload})
