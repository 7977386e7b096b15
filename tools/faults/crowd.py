"""Connect 10,000 clients to one process; after a time of heartbeats all of them drop and come back at once.

They speak the protocol by hand and not by `securecall_client`: ten thousand of its clients would keep this
machine busier than the server.
"""

import asyncio
import itertools
import json
import time
from collections.abc import Callable
from typing import cast

from tests.support.servers import RunningServer, server
from tools.bench.frames import frame, handshake
from tools.faults.findings import Finding, all_of, at_most, noted
from tools.faults.system import RAISED, new_id, open_files, resident_bytes

OPENING_AT_ONCE = 64
HEARTBEAT_SECONDS = 30
BACK_SECONDS = 30
PATIENCE_SECONDS = 90
HEARTBEAT = frame(b'{"type":"HEARTBEAT"}')
MIB = 1024 * 1024


class Light(asyncio.Protocol):
    """A registered client that costs next to nothing; answers are told apart by what stands in them."""

    def __init__(self, client_id: str, on_registered: Callable[[], None]) -> None:
        """Make a client for `create_connection`; `on_registered` is called once it is registered."""
        self.id = client_id
        self.is_registered = False
        self.is_lost = False
        self.asked_at = 0.0
        self.answer_seconds = 0.0
        self._on_registered = on_registered
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a WebSocket."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(handshake("localhost", "/signal"))

    def data_received(self, data: bytes) -> None:
        """Go on with what comes next."""
        if self.is_registered:
            self.answer_seconds = time.monotonic() - self.asked_at
            return
        self._read += data
        if b'"REGISTERED"' in self._read:
            self.is_registered = True
            self._read = b""
            self._on_registered()
        elif self._read.endswith(b"\r\n\r\n"):
            self._read = b""
            register = {"type": "REGISTER", "payload": {"clientId": self.id}}
            self.transport.write(frame(json.dumps(register).encode()))

    def connection_lost(self, _error: Exception | None) -> None:
        """Note it."""
        self.is_lost = True

    def beat(self) -> None:
        """Send a heartbeat."""
        self.asked_at, self.answer_seconds = time.monotonic(), 0.0
        self.transport.write(HEARTBEAT)


class Crowd:
    """Light clients of one server."""

    def __init__(self, running: RunningServer, count: int) -> None:
        """Make the IDs; nothing connects before `connect`."""
        self.running = running
        self.ids = [new_id("light") for _ in range(count)]
        self.clients: list[Light] = []

    async def connect(self, at_once: int) -> list[float]:
        """Connect and register all clients, so many at a time; returns how long each took, in seconds, in order."""
        room = asyncio.Semaphore(at_once)
        times: list[float] = []

        async def one(client_id: str) -> Light:
            async with room:
                begin, registered = time.monotonic(), asyncio.Event()
                client = await self._open(client_id, registered.set)
                await registered.wait()
                times.append(time.monotonic() - begin)
                return client

        async with asyncio.timeout(PATIENCE_SECONDS):
            self.clients = list(await asyncio.gather(*map(one, self.ids)))
        return sorted(times)

    async def _open(self, client_id: str, on_registered: Callable[[], None]) -> Light:
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(
            lambda: Light(client_id, on_registered), self.running.host, self.running.port
        )
        return client

    async def beat(self, seconds: float) -> list[float]:
        """Send all clients' heartbeats, spread evenly over 30 s, for this long; returns how long the answers took."""
        interval = HEARTBEAT_SECONDS / len(self.clients)
        begin = time.monotonic()
        beaten = []
        for number, client in enumerate(itertools.cycle(self.clients)):
            await asyncio.sleep(max(0.0, begin + number * interval - time.monotonic()))
            if time.monotonic() - begin > seconds:
                break
            client.beat()
            beaten.append(client)
        await asyncio.sleep(1)
        return sorted(client.answer_seconds or float("inf") for client in beaten)

    async def drop(self) -> None:
        """Cut every connection at once."""
        for client in self.clients:
            client.transport.abort()
        await asyncio.sleep(0)


def percentile(ordered: list[float], share: float) -> float:
    """Return the value at `share` of `ordered`, which is sorted; infinity where there is none."""
    return ordered[round((len(ordered) - 1) * share)] if ordered else float("inf")


async def crowd(clients: int, beat_seconds: float = 40) -> list[Finding]:
    """Have so many clients in one process, and let all of them come back at once."""
    with server(env=RAISED) as running:
        before, crowded = resident_bytes(running), Crowd(running, clients)
        await crowded.connect(OPENING_AT_ONCE)
        beats = await crowded.beat(beat_seconds)
        lost = sum(client.is_lost for client in crowded.clients)
        memory = (resident_bytes(running) - before) / clients / 1024
        await crowded.drop()
        begin = time.monotonic()
        times = await crowded.connect(clients)
        back = time.monotonic() - begin
        await asyncio.sleep(2)
        registered = sum(client.is_registered and not client.is_lost for client in crowded.clients)
        await crowded.drop()
        await asyncio.sleep(3)
        files = open_files(running)
    return [
        at_most("Connections lost while everybody sends heartbeats", lost, 0),
        noted("Answer to a heartbeat, p50 and p99", _two(beats)),
        noted("Memory of a connection", f"{memory:.0f} KiB"),
        at_most("All of them drop and come back at once; the last one is registered after", back, BACK_SECONDS, "s"),
        noted("From connecting to REGISTERED, p50 and p99", _two(times)),
        all_of("Registered then, none starved or closed", registered, clients),
        noted("Files that the process has open when all are gone", str(files)),
    ]


def _two(ordered: list[float]) -> str:
    return f"{percentile(ordered, 0.5) * 1000:,.1f} ms, {percentile(ordered, 0.99) * 1000:,.1f} ms"
