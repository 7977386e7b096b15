"""Abusive clients: handshakes that never finish, sockets that fall silent, too many connections, floods."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from websockets.exceptions import ConnectionClosed

from tests.support.client import Client
from tests.support.people import Person, is_admitted, until_closed
from tests.support.servers import RunningServer, server
from tools.faults.bystanders import bystanders, from_address
from tools.faults.crowd import percentile
from tools.faults.findings import Finding, all_of, at_most, noted
from tools.faults.system import new_id, open_files

# The proxy gives each client an address of its own; all limits are as they are without a setting.
BEHIND_A_PROXY = {"TRUSTED_PROXIES": "127.0.0.0/8", "CLIENT_ADDRESS_HEADER": "x-real-ip"}
MOST_HOP_MS = 50
NEW_PER_MINUTE = 300
LOOKUPS, REGISTERS = 60, 10
HALF_A_HANDSHAKE = b"GET /signal HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nX-Slow: "
# What a handshake may take, and how often the server looks.
HANDSHAKE_SECONDS = 15
OPEN_AT_ONCE = 50


async def strangers(attackers: int, seconds: float) -> list[Finding]:
    """Let so many of each kind try, for so long, beside pairs that talk."""
    with server(env=BEHIND_A_PROXY) as running:
        findings = []
        for words, attack in (
            ("handshakes that never finish", lambda: _unfinished(running, attackers)),
            ("a flood of messages", lambda: _flood(running, attackers // 5, seconds)),
            ("too many connections", lambda: _arrivals(running)),
            ("lookups and publications", lambda: _directory(running)),
        ):
            findings += await _beside_bystanders(running, words, attack)
    with server() as running:
        findings += await _forged(running)
    return findings


async def _beside_bystanders(
    running: RunningServer, words: str, attack: Callable[[], Awaitable[list[Finding]]]
) -> list[Finding]:
    async with bystanders(running.ws_url) as hops:
        found = await attack()
    return [
        *found,
        at_most(f"Others' hop during {words}, p99", percentile(sorted(hops), 0.99) * 1000, MOST_HOP_MS, "ms"),
    ]


async def _unfinished(running: RunningServer, count: int) -> list[Finding]:
    """Half a handshake each, and then a byte now and again, so that it is never idle."""
    before = open_files(running)
    streams = [await asyncio.open_connection(running.host, running.port) for _ in range(count)]
    for _, writer in streams:
        writer.write(HALF_A_HANDSHAKE)
    begin = time.monotonic()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float | None:
        while time.monotonic() - begin < HANDSHAKE_SECONDS:
            writer.write(b"x")
            with contextlib.suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(1):
                    if await reader.read(1000) == b"":
                        return time.monotonic() - begin
            if writer.transport.is_closing():
                return time.monotonic() - begin
        return None

    ends = await asyncio.gather(*(drip(*stream) for stream in streams))
    last = None if None in ends else max(end for end in ends if end is not None)
    for _, writer in streams:
        writer.transport.abort()
    await asyncio.sleep(0.5)
    return [
        all_of("Handshakes that never finish, ended by the server", sum(end is not None for end in ends), count),
        at_most("the last one after", last, HANDSHAKE_SECONDS, "s"),
        at_most("Files that they leave open", open_files(running) - before, 0),
    ]


async def _flood(running: RunningServer, count: int, seconds: float) -> list[Finding]:
    """As fast as it goes, and again after every close."""
    until = time.monotonic() + seconds
    closes: list[tuple[int, str]] = []
    sent = 0

    async def flood(number: int) -> None:
        nonlocal sent
        while time.monotonic() < until:
            async with Client(running.ws_url, **from_address(f"198.51.100.{number}")) as client:
                hearing = asyncio.create_task(until_closed(client, seconds=30))
                with contextlib.suppress(ConnectionClosed):
                    while True:
                        await client.send("HEARTBEAT")
                        sent += 1
                        await asyncio.sleep(0)
                closes.append(await hearing)

    await asyncio.gather(*(flood(number) for number in range(count)))
    too_many = closes.count((4429, "too many requests"))
    return [
        noted("Messages of a flood", f"{sent:,}, {sent / seconds:,.0f} a second"),
        all_of("Floods that were closed with 4429", too_many, len(closes)),
    ]


async def _arrivals(running: RunningServer) -> list[Finding]:
    """One address, and one /64, each with a quarter more connections than may come in a minute."""
    tries = NEW_PER_MINUTE * 5 // 4
    one = await _admitted(running, ["192.0.2.1"] * tries)
    network = await _admitted(running, [f"2001:db8::{number:x}" for number in range(tries)])
    other = await _admitted(running, ["192.0.2.2", "2001:db8:0:1::1"])
    return [
        Finding(f"Admitted of {tries} from one IPv4 address", "300", str(one), one == NEW_PER_MINUTE),
        Finding(f"Admitted of {tries} from one IPv6 /64", "300", str(network), network == NEW_PER_MINUTE),
        all_of("Admitted from their neighbours", other, 2),
    ]


async def _forged(running: RunningServer) -> list[Finding]:
    """Without a trusted proxy a client may say of its address what it likes."""
    tries = NEW_PER_MINUTE * 5 // 4
    admitted = await _admitted(running, [f"192.0.2.{number % 250}" for number in range(tries)])
    return [Finding(f"Admitted of {tries} with a forged X-Real-IP", "300", str(admitted), admitted == NEW_PER_MINUTE)]


async def _admitted(running: RunningServer, addresses: list[str]) -> int:
    room = asyncio.Semaphore(OPEN_AT_ONCE)

    async def tries(address: str) -> bool:
        async with room, Client(running.ws_url, **from_address(address)) as client:
            return await is_admitted(client)

    return sum(await asyncio.gather(*map(tries, addresses)))


async def _directory(running: RunningServer) -> list[Finding]:
    """Look up and publish more keys than a client may, and publish one for another client's ID."""
    async with Person(running.ws_url, new_id("squatter"), **from_address("192.0.2.77")) as squatter:
        await squatter.registers()
        lookups = registers = 0
        for number in range(LOOKUPS + 10):
            await squatter.send("PKD_LOOKUP", clientId=f"somebody-{number}")
            lookups += (await squatter.next_message())["type"] == "PKD_RESULT"
            # Below the limit of messages, to meet that of lookups.
            await asyncio.sleep(0.1)
        for number in range(REGISTERS + 5):
            await squatter.send("PKD_REGISTER", clientId=squatter.id, publicKey=f"key {number}")
            registers += (await squatter.next_message())["type"] == "PKD_RESULT"
            await asyncio.sleep(0.1)
        await squatter.send("PKD_REGISTER", clientId="somebody-else", publicKey="mine")
        answer = await squatter.next_message()
    is_refused = answer["payload"].get("code") == "NOT_REGISTERED"
    # A minute's limit lets a few more through during the seconds that this takes.
    return [
        at_most("Lookups answered in the first minute of a connection", lookups, LOOKUPS + 8),
        at_most("Publications answered", registers, REGISTERS + 1),
        Finding("A key for somebody else's client ID", "refused", "refused" if is_refused else "taken", is_refused),
    ]
