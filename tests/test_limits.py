"""Timeouts and limits, each on a server whose own value is small enough to meet."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.conftest import Join
from tests.support.client import Client
from tests.support.people import ANSWER, CANDIDATE, Person, is_admitted, until_closed
from tests.support.servers import RunningServer, server

CAP_BYTES = 262_144
CAPPED = pytest.mark.parametrize("target", ["ours-memory", "uvicorn-memory"], indirect=True)


# --- The transport's cap ----------------------------------------------------------------------------


@CAPPED
async def test_frame_of_the_transports_cap_is_answered(stranger: Person) -> None:
    await stranger.send_raw("x" * CAP_BYTES)
    await stranger.expects_error("INVALID_MESSAGE")
    await stranger.expects_nothing_else()


@CAPPED
@pytest.mark.parametrize("size", [CAP_BYTES + 1, 5_000_000])
@pytest.mark.parametrize("filling", ["x", b"x"])
async def test_frame_above_the_transports_cap_closes(stranger: Person, size: int, filling: str | bytes) -> None:
    # The close may come before everything is sent.
    with suppress(ConnectionClosed):
        await stranger.send_raw(filling * size)
    await stranger.expects_close(1009)


@CAPPED
async def test_fragments_above_the_transports_cap_close(stranger: Person) -> None:
    with suppress(ConnectionClosed):
        await stranger.connection.send(["x" * 50_000] * 6)
    await stranger.expects_close(1009)


# --- Timeouts ---------------------------------------------------------------------------------------

REGISTRATION, HEARTBEAT, RING = 1.0, 1.5, 1.0
# The server looks every quarter of a second, and for calls every second; a busy machine takes its time.
LATE = 10


@pytest.fixture(scope="module", params=["ours-memory", "ours-redis"])
def impatient(request: pytest.FixtureRequest, redis_database: Callable[[], str]) -> Iterator[RunningServer]:
    kind, registry = request.param.split("-")
    env = {
        "REGISTRATION_TIMEOUT_SECONDS": str(REGISTRATION),
        "HEARTBEAT_TIMEOUT_SECONDS": str(HEARTBEAT),
        "RING_TIMEOUT_SECONDS": str(RING),
        "HOLD_SECONDS": "5",
        "LIMIT_MESSAGE_BURST": "1000",
    }
    with server(kind, env=env | ({"REDIS_URL": redis_database()} if registry == "redis" else {})) as running:
        yield running


@asynccontextmanager
async def alive(*people: Person) -> AsyncIterator[None]:
    """Let these people send ping frames while the block runs."""

    async def ping(person: Person) -> None:
        while True:
            await person.connection.ping()
            await asyncio.sleep(HEARTBEAT / 6)

    tasks = [asyncio.create_task(ping(person)) for person in people]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


async def unregistered(where: RunningServer, keeps: str | None) -> None:
    """A client that sends this instead of REGISTER is closed in time."""
    async with Client(where.ws_url) as client:
        start = time.monotonic()

        async def keep_sending() -> None:
            while keeps is not None:
                await say(client, keeps)
                await asyncio.sleep(REGISTRATION / 5)

        sending = asyncio.create_task(keep_sending())
        heard: list[dict[str, Any]] = []
        closed = await until_closed(client, heard.append, REGISTRATION + LATE)
        assert closed == (4408, "registration timeout")
        assert {message["type"] for message in heard} <= {"HEARTBEAT_ACK", "ERROR"}
        sending.cancel()
        assert time.monotonic() - start >= REGISTRATION * 0.9


async def say(client: Client, sign: str) -> None:
    """Show a sign of life."""
    if sign == "ping":
        await client.connection.ping()
    elif sign == "binary":
        await client.send_raw(b"\0")
    else:
        await client.send(sign)


SIGNS = ("HEARTBEAT", "nonsense", "binary", "ping", "ICE_CANDIDATE")


async def test_who_does_not_register_is_closed(impatient: RunningServer) -> None:
    await asyncio.gather(*(unregistered(impatient, keeps) for keeps in (None, *SIGNS)))


async def test_failed_register_does_not_count(impatient: RunningServer) -> None:
    async with Client(impatient.ws_url) as client:
        await client.send("REGISTER", clientId="no such id")
        await client.expects("ERROR")
        await client.expects_close(4408, "registration timeout", seconds=REGISTRATION + LATE)


async def test_silent_client_is_closed_and_its_calls_are_held(join: Join, impatient: RunningServer) -> None:
    alice, bob = await join("alice", impatient), await join("bob", impatient)
    async with alive(alice):
        call_id = await alice.talks_to(bob)
        start = time.monotonic()
        await bob.expects_close(4408, "heartbeat timeout", seconds=HEARTBEAT + LATE)
        assert time.monotonic() - start >= HEARTBEAT * 0.9
        await alice.send("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)
        await alice.expects_nothing_else()
        bob = await join("bob", impatient, client_id=bob.id)
        await bob.expects("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)
        await bob.reaches(alice, call_id)


async def test_every_frame_is_a_sign_of_life(join: Join, impatient: RunningServer) -> None:
    people = {sign: await join(sign.lower(), impatient) for sign in SIGNS}
    start = time.monotonic()
    # Without what comes in between everybody would be closed after this long.
    while time.monotonic() - start < HEARTBEAT + 1:
        for sign, person in people.items():
            await say(person, sign)
        await asyncio.sleep(HEARTBEAT * 0.6)
    for person in people.values():
        await person.send("HEARTBEAT")
        while (await person.next_message())["type"] != "HEARTBEAT_ACK":
            pass


async def test_what_the_client_receives_is_no_sign_of_life(join: Join, impatient: RunningServer) -> None:
    alice, bob = await join("alice", impatient), await join("bob", impatient)

    async def speak(call_id: str) -> None:
        while True:
            await alice.send("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)
            await asyncio.sleep(HEARTBEAT / 8)

    speaking = asyncio.create_task(speak(await alice.talks_to(bob)))
    assert await until_closed(bob, seconds=HEARTBEAT + LATE) == (4408, "heartbeat timeout")
    speaking.cancel()


async def test_call_that_nobody_answers_ends_on_both_sides(join: Join, impatient: RunningServer) -> None:
    alice, bob = await join("alice", impatient), await join("bob", impatient)
    async with alive(alice, bob):
        start = time.monotonic()
        call_id = await alice.rings(bob)
        await alice.reaches(bob, call_id)
        for person in (alice, bob):
            ended = await person.expects("CALL_ENDED", seconds=RING + LATE)
            assert ended == {"callId": call_id, "reason": "timeout"}
        assert time.monotonic() - start >= RING * 0.9
        await bob.send("CALL_ACCEPT", callId=call_id, sdpAnswer=ANSWER)
        await bob.expects_error("CALL_NOT_FOUND", "CALL_ACCEPT", call_id)
        await alice.talks_to(bob)


async def test_active_call_has_no_time_limit(join: Join, impatient: RunningServer) -> None:
    alice, bob = await join("alice", impatient), await join("bob", impatient)
    async with alive(alice, bob):
        answered = await alice.talks_to(bob)
        unanswered = await alice.rings(bob)
        for person in (alice, bob):
            await person.expects("CALL_ENDED", callId=unanswered, seconds=RING + LATE)
        await alice.reaches(bob, answered)
        await bob.reaches(alice, answered)


# --- Messages ---------------------------------------------------------------------------------------

BURST, PER_SECOND, REFUSALS = 20, 10, 30


@pytest.fixture(scope="module", params=["ours", "uvicorn"])
def strict(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    env = {
        "LIMIT_MESSAGE_BURST": str(BURST),
        "LIMIT_MESSAGES_PER_SECOND": str(PER_SECOND),
        "LIMIT_REFUSED_MESSAGES": str(REFUSALS),
        "LIMIT_PKD_LOOKUPS_PER_MINUTE": "4",
        "LIMIT_PKD_REGISTERS_PER_MINUTE": "3",
        "LIMIT_OPEN_CALLS_PER_CLIENT": "2",
    }
    with server(request.param, env=env) as running:
        yield running


async def answers(client: Client, count: int) -> list[dict[str, Any]]:
    return [json.loads(await client.connection.recv()) for _ in range(count)]


async def test_burst_then_refusals_then_recovery(strict: RunningServer) -> None:
    async with Person(strict.ws_url, "eager") as eager:
        for _ in range(BURST + 10):
            await eager.send("HEARTBEAT")
        kinds = [answer["type"] for answer in await answers(eager, BURST + 10)]
        assert kinds[:BURST] == ["HEARTBEAT_ACK"] * BURST
        assert kinds.count("ERROR") >= 5
        # The sentence in the error is kept: after that long there is room, for all the refusals.
        while True:
            await eager.send("HEARTBEAT")
            (answer,) = await answers(eager, 1)
            if answer["type"] == "ERROR":
                break
        assert answer["payload"]["code"] == "RATE_LIMITED"
        assert answer["payload"]["request"] == "HEARTBEAT"
        assert 0 < answer["payload"]["retryAfterMs"] <= 1000 / PER_SECOND
        await asyncio.sleep(answer["payload"]["retryAfterMs"] / 1000 + 0.005)
        await eager.expects_nothing_else()


async def test_refused_message_does_nothing(join: Join, strict: RunningServer) -> None:
    alice, bob = await join("alice", strict), await join("bob", strict)
    call_id = await alice.talks_to(bob)
    for number in range(BURST + 5):
        await alice.send("ICE_CANDIDATE", callId=call_id, candidate=f"{number}")
    heard = await answers(alice, 1)
    await alice.send_raw("")
    while heard[-1]["payload"].get("request") is not None:
        heard += await answers(alice, 1)
    refused = len(heard) - 1
    for error in heard[:-1]:
        assert error["payload"]["code"] == "RATE_LIMITED"
        assert error["payload"]["request"] == "ICE_CANDIDATE"
        assert error["payload"]["callId"] == call_id
    for _ in range(BURST + 5 - refused):
        await bob.expects("ICE_CANDIDATE", callId=call_id)
    await bob.expects_nothing_else()


async def test_every_frame_counts(strict: RunningServer) -> None:
    async with Client(strict.ws_url) as client:
        for _ in range(BURST):
            await client.send_raw("nonsense")
        for _ in range(BURST):
            await client.expects("ERROR", code="INVALID_MESSAGE")
        for _ in range(3):
            await client.send_raw(b"\0")
        assert "RATE_LIMITED" in {answer["payload"]["code"] for answer in await answers(client, 3)}


async def test_who_keeps_sending_is_closed_and_its_calls_are_held(join: Join, strict: RunningServer) -> None:
    alice, bob = await join("alice", strict), await join("bob", strict)
    call_id = await alice.talks_to(bob)
    for _ in range(BURST + REFUSALS + 20):
        await bob.send("HEARTBEAT")
    heard: list[dict[str, Any]] = []
    assert await until_closed(bob, heard.append) == (4429, "too many requests")
    assert REFUSALS <= sum(message["type"] == "ERROR" for message in heard) <= REFUSALS + 1
    bob = await join("bob", strict, client_id=bob.id)
    await alice.reaches(bob, call_id)


async def test_lookups_and_registers_are_limited_each(strict: RunningServer) -> None:
    async with Person(strict.ws_url, "reader") as reader, Person(strict.ws_url, "other") as other:
        await reader.registers()
        for _ in range(4):
            await reader.send("PKD_LOOKUP", clientId="reader")
            await reader.expects("PKD_RESULT")
        await reader.send("PKD_LOOKUP", clientId="reader")
        assert (await reader.expects_error("RATE_LIMITED", "PKD_LOOKUP"))["retryAfterMs"] <= 60_000
        for number in range(3):
            await reader.send("PKD_REGISTER", clientId="reader", publicKey=f"{number}")
            await reader.expects("PKD_RESULT")
        await reader.send("PKD_REGISTER", clientId="reader", publicKey="too many")
        assert (await reader.expects_error("RATE_LIMITED", "PKD_REGISTER"))["retryAfterMs"] > 50_000
        # Others, and other messages, are not concerned; and what was refused was not stored.
        await other.registers()
        await other.send("PKD_LOOKUP", clientId="reader")
        await other.expects("PKD_RESULT", publicKey="2")
        call_id = await reader.talks_to(other)
        await reader.reaches(other, call_id)


async def test_calls_are_limited(join: Join, strict: RunningServer) -> None:
    alice, bob = await join("alice", strict), await join("bob", strict)
    calls = [await alice.rings(bob), await alice.rings(bob)]
    await alice.send("CALL_INITIATE", targetId=bob.id, sdpOffer="v=0")
    await alice.expects_error("RATE_LIMITED", "CALL_INITIATE")
    await bob.send("CALL_REJECT", callId=calls[0])
    await alice.expects("CALL_REJECTED")
    await alice.rings(bob)


@pytest.fixture(scope="module")
def defaults() -> Iterator[RunningServer]:
    """A server without a setting."""
    with server() as running:
        yield running


async def test_defaults_are_the_documented_ones(defaults: RunningServer) -> None:
    async with Client(defaults.ws_url) as client:
        began = time.monotonic()
        await asyncio.gather(*(client.send("HEARTBEAT") for _ in range(500)))
        heard: list[dict[str, Any]] = []
        assert await until_closed(client, heard.append) == (4429, "too many requests")
        kinds = [message["type"] for message in heard]
        assert kinds[:240] == ["HEARTBEAT_ACK"] * 240
        # 20 a second came back meanwhile.
        assert 240 <= kinds.count("HEARTBEAT_ACK") <= 241 + 20 * (time.monotonic() - began)
        assert 200 <= kinds.count("ERROR") <= 201
    async with Person(defaults.ws_url, "alice") as alice:
        await alice.registers()
        for number in range(10):
            await alice.send("PKD_REGISTER", clientId="alice", publicKey=f"{number}")
            await alice.expects("PKD_RESULT")
        await alice.send("PKD_REGISTER", clientId="alice", publicKey="more")
        await alice.expects_error("RATE_LIMITED", "PKD_REGISTER")


async def test_defaults_take_a_hundred_candidates_of_each_side_at_once(defaults: RunningServer) -> None:
    async with Person(defaults.ws_url, "alice") as alice, Person(defaults.ws_url, "bob") as bob:
        await alice.registers()
        await bob.registers()
        # A call that does not come about, and the next one.
        for _ in range(2):
            call_id = await alice.rings(bob)
            for person in (alice, bob):
                for number in range(100):
                    await person.send("ICE_CANDIDATE", callId=call_id, candidate=f"{number}")
            for person in (alice, bob):
                for number in range(100):
                    await person.expects("ICE_CANDIDATE", callId=call_id, candidate=f"{number}")
            await alice.send("CALL_END", callId=call_id)
            await bob.expects("CALL_ENDED")


# --- Connections ------------------------------------------------------------------------------------

OPEN = 3
FROM_PROXY = {
    "TRUSTED_PROXIES": "127.0.0.0/8",
    "CLIENT_ADDRESS_HEADER": "x-real-ip",
    "LIMIT_CONNECTIONS_PER_IP": str(OPEN),
}


async def admitted_once_more(url: str, **options: Any) -> None:
    """Wait until the server knows that a client left, and admits another."""
    async with asyncio.timeout(5):
        while True:
            async with Client(url, **options) as client:
                if await is_admitted(client):
                    return


@pytest.mark.parametrize("kind", ["ours", pytest.param("uvicorn", marks=pytest.mark.long)])
async def test_open_connections_of_one_address_are_limited(kind: Any) -> None:
    with server(kind, env={"LIMIT_CONNECTIONS_PER_IP": str(OPEN)}) as running:
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(Client(running.ws_url)) for _ in range(OPEN)]
            assert all([await is_admitted(client) for client in clients])
            for _ in range(3):
                # What the client itself says of its address is not believed.
                for headers in ({}, {"X-Real-IP": "192.0.2.9"}):
                    async with Client(running.ws_url, additional_headers=headers) as client:
                        assert not await is_admitted(client)
            # Those within the limit do not notice.
            await Person.expects_nothing_else(clients[0])  # type: ignore[arg-type]
            await clients[0].close()
            await admitted_once_more(running.ws_url)
            clients[1].drop()
            await admitted_once_more(running.ws_url)


async def test_new_connections_of_one_address_are_limited() -> None:
    with server(env={"LIMIT_NEW_CONNECTIONS_PER_IP_PER_MINUTE": "5"}) as running:
        for number in range(8):
            async with Client(running.ws_url) as client:
                assert await is_admitted(client) == (number < 5)


@pytest.mark.parametrize("kind", ["ours", pytest.param("uvicorn", marks=pytest.mark.long)])
async def test_address_behind_a_trusted_proxy_counts(kind: Any) -> None:
    with server(kind, env=FROM_PROXY) as running:
        async with AsyncExitStack() as stack:

            async def connects(address: str) -> bool:
                client = Client(running.ws_url, additional_headers={"X-Real-IP": address})
                return await is_admitted(await stack.enter_async_context(client))

            for network in ("192.0.2.", "198.51.100."):
                assert all([await connects(f"{network}1") for _ in range(OPEN)])
                assert not await connects(f"{network}1")
                assert await connects(f"{network}2")
            # Of IPv6 the /64 counts.
            assert all([await connects(f"2001:db8:0:1::{number}") for number in range(OPEN)])
            assert not await connects("2001:db8:0:1:ffff::1")
            assert await connects("2001:db8:0:2::1")
            # An IPv4 address in IPv6 clothes is the same address.
            assert not await connects("::ffff:192.0.2.1")


# --- A client that does not read --------------------------------------------------------------------


def resident_bytes(running: RunningServer) -> int:
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("kind", ["ours", "uvicorn"])
async def test_client_that_does_not_read_is_closed_and_nobody_else_notices(kind: Any) -> None:
    big = "x" * 60_000
    with server(kind, env={"LIMIT_MESSAGE_BURST": "0"}) as running, socket.socket() as narrow:
        # What the kernel takes for a reader is not the server's memory.
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        narrow.settimeout(0)
        await asyncio.get_running_loop().sock_connect(narrow, (running.host, running.port))
        async with (
            Person(running.ws_url, "alice") as alice,
            Person(running.ws_url, "carol") as carol,
            Person(running.ws_url, "bob", sock=narrow) as bob,
        ):
            for person in (alice, bob, carol):
                await person.registers()
            call_id, other = await alice.talks_to(bob), await alice.talks_to(carol)
            before = resident_bytes(running)
            bob.connection.transport.pause_reading()
            slowest, most, sent = 0.0, 0, 0
            answer: dict[str, Any] = {"type": "HEARTBEAT_ACK"}
            # An error: bob was closed and held, and as much waits for him as may.
            while answer["type"] == "HEARTBEAT_ACK":
                start = time.monotonic()
                await alice.send("ICE_CANDIDATE", callId=call_id, candidate=big)
                sent += len(big)
                await alice.reaches(carol, other)
                await alice.send("HEARTBEAT")
                answer = await alice.next_message()
                slowest = max(slowest, time.monotonic() - start)
                most = max(most, resident_bytes(running) - before)
                assert sent < 100_000_000
            assert (answer["payload"]["code"], answer["payload"]["callId"]) == ("RATE_LIMITED", call_id)
            assert slowest < 1
            assert most < 30_000_000
            bob.connection.transport.resume_reading()
            heard: list[dict[str, Any]] = []
            assert await until_closed(bob, heard.append, seconds=10) == (4507, "slow consumer")
            assert all(message["payload"]["candidate"] == big for message in heard)
            async with Person(running.ws_url, "bob") as again:
                await again.registers()
                await again.expects("ICE_CANDIDATE", callId=call_id)
