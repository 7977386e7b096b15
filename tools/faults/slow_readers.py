"""Clients that never read while their peers keep sending."""

import asyncio
import json
import socket
import time
from contextlib import AsyncExitStack

from tests.support.client import Client
from tests.support.people import Person, until_closed
from tests.support.servers import RunningServer, server
from tools.faults.findings import Finding, all_of, at_most, noted
from tools.faults.system import RAISED, new_id, resident_bytes

SLOW_CONSUMER = (4507, "slow consumer")
BIG = "x" * 60_000
# Ten times the limit: a client that is not closed by then never will be.
MOST_BYTES = 10 * 1024 * 1024
# What the kernel takes for a reader is not the server's memory.
KERNEL_BYTES = 65_536
MIB = 1024 * 1024


async def slow_readers(count: int) -> list[Finding]:
    """Have `count` senders fill as many clients that do not read, all at once."""
    with server(env=RAISED) as running:
        async with AsyncExitStack() as stack:
            return await _slow_readers(running, stack, count)


async def _slow_readers(running: RunningServer, stack: AsyncExitStack, count: int) -> list[Finding]:
    async def person(name: str, **options: object) -> Person:
        return await (await stack.enter_async_context(Person(running.ws_url, new_id(name), **options))).registers()

    senders = [await person("sender") for _ in range(count)]
    readers = [await person("reader", sock=await _narrow(running)) for _ in range(count)]
    calls = [await sender.talks_to(reader) for sender, reader in zip(senders, readers, strict=True)]
    bystanders = await person("bystander"), await person("bystander")
    between = await bystanders[0].talks_to(bystanders[1])
    for reader in readers:
        reader.connection.transport.pause_reading()
    memory = _Memory(running)
    watching = asyncio.create_task(memory.watch())
    listening = asyncio.create_task(_hops(*bystanders, between))
    waits = await asyncio.gather(
        *(_send_until_refused(sender, call_id) for sender, call_id in zip(senders, calls, strict=True))
    )
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    closes = await asyncio.gather(*(_close_of(reader) for reader in readers))
    watching.cancel()
    return [
        all_of("Closed with 4507", closes.count(SLOW_CONSUMER), count),
        at_most("Memory of one that does not read", memory.most / count / MIB, 1, "MiB"),
        all_of("Senders that were told when no more could wait", sum(wait is not None for wait in waits), count),
        noted("A sender's longest wait for an answer", f"{max(wait or 0 for wait in waits) * 1000:,.0f} ms"),
    ]


async def _narrow(running: RunningServer) -> socket.socket:
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)
    narrow.settimeout(0)
    await asyncio.get_running_loop().sock_connect(narrow, (running.host, running.port))
    return narrow


async def _send_until_refused(sender: Person, call_id: str) -> float | None:
    """Send until an error says that no more can wait; returns the longest wait for an answer, in seconds."""
    longest, sent = 0.0, 0
    while sent < MOST_BYTES:
        begin = time.monotonic()
        await sender.send("ICE_CANDIDATE", callId=call_id, candidate=BIG)
        sent += len(BIG)
        await sender.send("HEARTBEAT")
        answer = json.loads(await sender.connection.recv())
        longest = max(longest, time.monotonic() - begin)
        if answer["type"] == "ERROR":
            return longest
    return None


async def _hops(speaker: Person, listener: Person, call_id: str) -> None:
    while True:
        await speaker.reaches(listener, call_id)
        await asyncio.sleep(0.02)


async def _close_of(reader: Client) -> tuple[int, str]:
    reader.connection.transport.resume_reading()
    return await until_closed(reader, seconds=20)


class _Memory:
    def __init__(self, running: RunningServer) -> None:
        self._running = running
        self._before = resident_bytes(running)
        self.most = 0

    async def watch(self) -> None:
        while True:
            self.most = max(self.most, resident_bytes(self._running) - self._before)
            await asyncio.sleep(0.02)
