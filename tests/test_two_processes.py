"""Several server processes on one Redis are one system."""

import asyncio
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import pytest

from tests.conftest import SHARED, Join, Start
from tests.support.client import Client
from tests.support.people import ANSWER, CANDIDATE, OFFER, Person, new_call_id
from tests.support.servers import Kind, RunningServer, server
from tests.support.services import RedisServer

HOLD_SECONDS = 2


class Processes:
    """Starts processes on one Redis."""

    def __init__(self, stack: ExitStack, redis_url: str) -> None:
        self._stack = stack
        self._redis_url = redis_url

    def start(self, kind: Kind = "ours", env: Mapping[str, str] | None = None) -> RunningServer:
        return self._stack.enter_context(server(kind, env={**SHARED, "REDIS_URL": self._redis_url, **(env or {})}))


@pytest.fixture
def processes(own_redis: RedisServer) -> Iterator[Processes]:
    with ExitStack() as stack:
        yield Processes(stack, own_redis.url)


async def test_processes_of_different_servers_are_one_system(start: Start, join: Join) -> None:
    here, there = start("ours", "redis", 0), start("uvicorn", "redis", 0)
    alice, bob = await join("alice", here), await join("bob", there)
    call_id = await alice.talks_to(bob)
    await alice.reaches(bob, call_id)
    await bob.reaches(alice, call_id)
    newer = await join("bob", here, client_id=bob.id)
    await bob.expects_close(4409, "superseded")
    await alice.reaches(newer, call_id)
    await newer.close()
    await alice.expects("CALL_ENDED", callId=call_id, reason="peer_disconnected")


# --- A process stops --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ours", pytest.param("uvicorn", marks=pytest.mark.long)])
async def test_calls_survive_a_restart(processes: Processes, join: Join, kind: Kind) -> None:
    old, new = processes.start(kind), processes.start(kind)
    alice, bob, carol = await join("alice", new), await join("bob", old), await join("carol", old)
    active, ringing = await alice.talks_to(bob), await alice.rings(carol)
    old.signal(signal.SIGTERM)
    for person in (bob, carol):
        await person.expects_close(1012)
    # uvicorn ends by the signal that it got.
    assert await asyncio.to_thread(old.wait) in ({0} if kind == "ours" else {0, -signal.SIGTERM})
    for number in range(20):
        await alice.send("ICE_CANDIDATE", callId=active, candidate=f"{number}")
    await alice.expects_nothing_else()
    bob, carol = await join("bob", new, client_id=bob.id), await join("carol", new, client_id=carol.id)
    for number in range(20):
        await bob.expects("ICE_CANDIDATE", callId=active, candidate=f"{number}")
    await carol.send("CALL_ACCEPT", callId=ringing, sdpAnswer=ANSWER)
    await alice.expects("CALL_ACCEPTED", callId=ringing)
    await bob.reaches(alice, active)
    await bob.send("CALL_END", callId=active)
    await alice.expects("CALL_ENDED", callId=active)


async def test_calls_survive_a_restart_of_every_process_in_turn(processes: Processes, join: Join) -> None:
    old = processes.start()
    alice, bob = await join("alice", old), await join("bob", old)
    call_id = await alice.talks_to(bob)
    for _ in range(2):
        new = processes.start()
        await alice.has_proved()
        await bob.has_proved()
        old.signal(signal.SIGTERM)
        for person in (alice, bob):
            await person.expects_close(1012, "service restart")
        alice, bob = await join("alice", new, client_id=alice.id), await join("bob", new, client_id=bob.id)
        await alice.reaches(bob, call_id)
        await bob.reaches(alice, call_id)
        assert await asyncio.to_thread(old.wait) == 0
        old = new


async def test_who_does_not_come_back_after_a_restart_ends_its_calls(processes: Processes, join: Join) -> None:
    hasty = {"HOLD_SECONDS": str(HOLD_SECONDS)}
    old, new = processes.start(env=hasty), processes.start(env=hasty)
    alice, bob = await join("alice", new), await join("bob", old)
    call_id = await alice.talks_to(bob)
    old.signal(signal.SIGTERM)
    await bob.expects_close(1012)
    ended = await alice.expects("CALL_ENDED", seconds=HOLD_SECONDS + 3)
    assert ended == {"callId": call_id, "reason": "peer_disconnected"}


async def test_calls_survive_a_crash(processes: Processes, join: Join) -> None:
    old, new = processes.start(), processes.start()
    alice, bob = await join("alice", new), await join("bob", old)
    call_id = await alice.talks_to(bob)
    old.signal(signal.SIGKILL)
    await asyncio.to_thread(old.wait)
    await alice.send("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)
    await alice.expects_nothing_else()
    bob = await join("bob", new, client_id=bob.id)
    await bob.expects("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)
    await bob.reaches(alice, call_id)


async def test_ringing_call_survives_a_crash_of_either_process(processes: Processes, join: Join) -> None:
    here, there, last = (processes.start() for _ in range(3))
    alice, bob = await join("alice", here), await join("bob", there)
    call_id = await alice.rings(bob)
    for word in ("1", "2"):
        await alice.send("ICE_CANDIDATE", callId=call_id, candidate=word)
        await bob.expects("ICE_CANDIDATE", callId=call_id, candidate=word)
    # What the process had of it was read and proved, and is gone with it.
    await bob.has_proved()
    there.signal(signal.SIGKILL)
    await asyncio.to_thread(there.wait)
    await alice.send("ICE_CANDIDATE", callId=call_id, candidate="3")
    bob = await join("bob", last, client_id=bob.id, registered=False)
    registered = await bob.register(bob.id)
    assert [call["callId"] for call in registered["calls"]] == [call_id]
    incoming = await bob.expects("INCOMING_CALL", callId=call_id, callerId=alice.id, sdpOffer=OFFER)
    assert incoming["iceServers"]
    for word in ("1", "2", "3"):
        await bob.expects("ICE_CANDIDATE", callId=call_id, candidate=word)
    await bob.expects_nothing_else()

    here.signal(signal.SIGKILL)
    await asyncio.to_thread(here.wait)
    alice = await join("alice", last, client_id=alice.id, registered=False)
    registered = await alice.register(alice.id)
    assert registered["calls"] == [{"callId": call_id, "peerId": bob.id, "role": "caller", "state": "ringing"}]
    await bob.send("CALL_ACCEPT", callId=call_id, sdpAnswer=ANSWER)
    await alice.expects("CALL_ACCEPTED", callId=call_id, sdpAnswer=ANSWER)
    await alice.reaches(bob, call_id)


# --- Redis goes away --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ours", pytest.param("uvicorn", marks=pytest.mark.long)])
async def test_redis_may_go_and_come(processes: Processes, join: Join, own_redis: RedisServer, kind: Kind) -> None:
    here, there = processes.start(kind), processes.start(kind)
    alice, bob, carol = await join("alice", here), await join("bob", here), await join("carol", there)
    local, remote = await alice.talks_to(bob), await alice.talks_to(carol)

    own_redis.stop()
    call_id = new_call_id()
    await alice.send("CALL_INITIATE", targetId=bob.id, sdpOffer=OFFER, callId=call_id)
    await alice.expects_error("RATE_LIMITED", "CALL_INITIATE", call_id)
    await alice.send("CALL_END", callId=local)
    await alice.expects_error("RATE_LIMITED", "CALL_END", local)
    await alice.send("ICE_CANDIDATE", callId=remote, candidate=CANDIDATE)
    await alice.expects_error("RATE_LIMITED", "ICE_CANDIDATE", remote)
    # What needs no other process goes on.
    await alice.reaches(bob, local)
    await bob.reaches(alice, local)
    for person in (alice, bob, carol):
        await person.expects_nothing_else()
    late = await join("late", here, registered=False)
    await late.send("REGISTER", clientId=late.id)
    await late.expects_error("RATE_LIMITED", "REGISTER")

    own_redis.start()
    await until_accepted(late, "REGISTER", "REGISTERED", clientId=late.id)
    for person in (bob, carol):
        await until_called(alice, person)
        await until_called(person, alice)
    # The calls of before are still known.
    await alice.reaches(bob, local)
    await bob.reaches(alice, local)
    await alice.reaches(carol, remote)
    await carol.reaches(alice, remote)
    await alice.send("CALL_END", callId=remote)
    await carol.expects("CALL_ENDED", callId=remote)


async def until_accepted(person: Person, message_type: str, answer: str, **payload: str) -> None:
    """Send it again for as long as the server says so."""
    async with asyncio.timeout(10):
        while True:
            await person.send(message_type, **payload)
            came = await person.next_message()
            if came["type"] == answer:
                return
            assert came["payload"]["code"] == "RATE_LIMITED", came
            await asyncio.sleep(min(came["payload"]["retryAfterMs"] / 1000, 0.2))


async def until_called(caller: Person, callee: Person) -> None:
    """Call until it rings, and hang up."""
    async with asyncio.timeout(10):
        while True:
            call_id = new_call_id()
            await caller.send("CALL_INITIATE", targetId=callee.id, sdpOffer=OFFER, callId=call_id)
            await caller.send("HEARTBEAT")
            came = await caller.next_message()
            if came["type"] == "HEARTBEAT_ACK":
                break
            assert came["payload"]["code"] in {"RATE_LIMITED", "TARGET_NOT_FOUND"}, came
            await caller.expects("HEARTBEAT_ACK")
            await asyncio.sleep(0.1)
    await callee.expects("INCOMING_CALL", callId=call_id)
    await callee.send("CALL_REJECT", callId=call_id)
    await caller.expects("CALL_REJECTED", callId=call_id)


async def test_server_starts_without_redis_and_finds_it_later(
    processes: Processes, join: Join, own_redis: RedisServer
) -> None:
    own_redis.stop()
    running = processes.start()
    assert running.get("/health") == (200, '{"status":"ok"}')
    alice = await join("alice", running, registered=False)
    await alice.send("REGISTER", clientId=alice.id)
    await alice.expects_error("RATE_LIMITED", "REGISTER")
    own_redis.start()
    await until_accepted(alice, "REGISTER", "REGISTERED", clientId=alice.id)


async def test_connections_of_one_address_count_together(processes: Processes) -> None:
    limit = {"LIMIT_CONNECTIONS_PER_IP": "2"}
    here, there = processes.start(env=limit), processes.start(env=limit)
    async with Client(here.ws_url) as one, Client(there.ws_url) as two, Client(here.ws_url) as three:
        for client in (one, two):
            await client.send("HEARTBEAT")
            await client.expects("HEARTBEAT_ACK")
        await three.expects("ERROR", code="RATE_LIMITED")
        await three.expects_close(4429, "too many connections")
