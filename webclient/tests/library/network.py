"""A network between a browser and a server that a test can break."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Self


class Line:
    """Forwards TCP connections to a port of this machine: `async with Line.to(server.port) as line`."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._is_cut = False
        self._is_deaf = False
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    @classmethod
    @asynccontextmanager
    async def to(cls, target: int) -> AsyncIterator[Self]:
        """Forward while the block runs."""
        line = cls(target)
        server = await asyncio.start_server(line._accept, "127.0.0.1", 0)
        line.port = server.sockets[0].getsockname()[1]
        async with server:
            try:
                yield line
            finally:
                # The server waits for its connections to end.
                line.cut()

    def cut(self) -> None:
        """Break all connections, without a word to either end, and take no others."""
        self._is_cut = True
        self.release()
        for writer in self._writers:
            writer.transport.abort()

    def go_deaf(self) -> None:
        """Keep the connections, and lose what is sent on them from now on: what a dead network looks like."""
        self._is_deaf = True

    def hold(self) -> None:
        """Keep back what the server sends, until `release`."""
        self._is_open.clear()

    def release(self) -> None:
        """Let through what was kept back."""
        self._is_open.set()

    def mend(self) -> None:
        """Take connections again; those that went deaf are lost."""
        self.cut()
        self._is_cut = self._is_deaf = False

    def lead_to(self, target: int) -> None:
        """Break all connections, and forward new ones to another port."""
        self._target = target
        self.mend()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        to_server, from_client = await asyncio.open_connection("127.0.0.1", self._target)
        if self._is_cut:
            # Meanwhile.
            for each in (writer, from_client):
                each.transport.abort()
            return
        self._writers |= {writer, from_client}
        always = asyncio.Event()
        always.set()
        for source, target, is_open in ((reader, from_client, always), (to_server, writer, self._is_open)):
            task = asyncio.create_task(self._pump(source, target, is_open))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, is_open: asyncio.Event) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                await is_open.wait()
                if not self._is_deaf:
                    target.write(data)
        self._writers.discard(target)
        with suppress(OSError):
            target.close()


class Gateway(asyncio.DatagramProtocol):
    """Forwards UDP to a port of this machine, as a router with address translation does, with losses and delays."""

    def __init__(self, target: int, lost: float = 0.0, delay_seconds: float = 0.0) -> None:
        self._target = target
        self._lost, self._delay_seconds = lost, delay_seconds
        # The same losses in each run.
        self._random = random.Random(20)  # noqa: S311 -- not a secret
        self._outside: dict[tuple[str, int], asyncio.DatagramTransport] = {}
        self._opening: dict[tuple[str, int], list[bytes]] = {}
        self._forgotten: set[tuple[str, int]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._inside: asyncio.DatagramTransport | None = None
        self.port = 0

    @classmethod
    @asynccontextmanager
    async def to(cls, target: int, lost: float = 0.0, delay_seconds: float = 0.0) -> AsyncIterator[Self]:
        """Forward while the block runs; `lost` is the share that is lost in each direction, and the rest comes late."""
        gateway = cls(target, lost, delay_seconds)
        loop = asyncio.get_running_loop()
        inside, _ = await loop.create_datagram_endpoint(lambda: gateway, local_addr=("127.0.0.1", 0))
        gateway._inside = inside
        gateway.port = inside.get_extra_info("sockname")[1]
        try:
            yield gateway
        finally:
            inside.close()
            for outside in gateway._outside.values():
                outside.close()

    def forget(self) -> None:
        """Lose every flow that there is, like a router that restarts; new ones work."""
        self._forgotten |= self._outside.keys()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._pass(self._send, data, addr)

    def _pass(self, way: Callable[[bytes, tuple[str, int]], None], data: bytes, addr: tuple[str, int]) -> None:
        if self._random.random() < self._lost:
            return
        if self._delay_seconds:
            asyncio.get_running_loop().call_later(self._delay_seconds, way, data, addr)
        else:
            way(data, addr)

    def _send(self, data: bytes, addr: tuple[str, int]) -> None:
        if addr in self._forgotten:
            return
        if outside := self._outside.get(addr):
            outside.sendto(data)
        elif (waiting := self._opening.get(addr)) is not None:
            waiting.append(data)
        else:
            self._opening[addr] = [data]
            task = asyncio.create_task(self._open(addr))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _open(self, addr: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        outside, _ = await loop.create_datagram_endpoint(
            lambda: _Outside(self, addr), remote_addr=("127.0.0.1", self._target)
        )
        self._outside[addr] = outside
        for data in self._opening.pop(addr):
            outside.sendto(data)

    def answer(self, data: bytes, addr: tuple[str, int]) -> None:
        """Pass on what came for a flow."""
        self._pass(self._give, data, addr)

    def _give(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._inside and addr not in self._forgotten:
            self._inside.sendto(data, addr)


class _Outside(asyncio.DatagramProtocol):
    """The outer side of one flow."""

    def __init__(self, gateway: Gateway, addr: tuple[str, int]) -> None:
        self._gateway = gateway
        self._addr = addr

    def datagram_received(self, data: bytes, _server: tuple[str, int]) -> None:
        self._gateway.answer(data, self._addr)
