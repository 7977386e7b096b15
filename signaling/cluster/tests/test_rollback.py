"""Redis comes back with older data, or has thrown a part of it away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import redis
from pytest_django import Settings

from signaling.cluster import node
from signaling.cluster.node import Node
from signaling.tests.people import OFFER, Person, call
from signaling.tests.stage import until, use_redis
from tests.support.services import RedisServer

Join = Callable[..., Awaitable[Person]]


@pytest.fixture
async def here(own_redis: RedisServer, settings: Settings) -> AsyncIterator[Node]:
    """The node of a process on a Redis of the test's own."""
    use_redis(settings, own_redis.url, "node")
    yield await node.current()
    await node.stop()


async def snapshot(server: RedisServer) -> None:
    """Have Redis write what it has to disk."""
    with redis.Redis.from_url(server.url) as operator:
        await asyncio.to_thread(operator.save)


async def roll_back(server: RedisServer, here: Node) -> None:
    """Kill Redis and start it with what it wrote to disk."""
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)
    await until(lambda: bool(here.cluster.is_up))


async def rings(caller: Person, callee: Person, target: str) -> str:
    """Call and hang up; returns the callId."""
    await caller.send("CALL_INITIATE", targetId=target, sdpOffer=OFFER)
    call_id: str = (await callee.expects("INCOMING_CALL"))["callId"]
    await callee.send("CALL_REJECT", callId=call_id)
    await caller.expects("CALL_REJECTED", callId=call_id)
    return call_id


async def test_calls_of_after_the_snapshot_go_on_and_those_of_before_stay_ended(
    here: Node, own_redis: RedisServer, join: Join
) -> None:
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    before, answered_later = await call(alice, bob), await call(alice, bob, is_answered=False)
    await snapshot(own_redis)
    await alice.send("CALL_END", callId=before)
    await bob.expects("CALL_ENDED", callId=before)
    await bob.send("CALL_ACCEPT", callId=answered_later, sdpAnswer="v=0")
    await alice.expects("CALL_ACCEPTED", callId=answered_later)
    after = await call(alice, bob)
    await roll_back(own_redis, here)
    status = await here.registry.status()
    assert (status.ringing_calls, status.active_calls) == (0, 2)
    for call_id in (answered_later, after):
        await alice.send("ICE_CANDIDATE", callId=call_id, candidate="after")
        await bob.expects("ICE_CANDIDATE", callId=call_id, candidate="after")
        await bob.send("CALL_END", callId=call_id)
        await alice.expects("CALL_ENDED", callId=call_id)
    await bob.send("CALL_END", callId=before)
    await bob.expects("ERROR", code="CALL_NOT_FOUND")
    for person in (alice, bob):
        await person.expects_nothing()


async def test_client_that_came_after_the_snapshot_rings_and_who_left_does_not(
    here: Node, own_redis: RedisServer, join: Join
) -> None:
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    await call(alice, bob)
    await snapshot(own_redis)
    await bob.leaves(1000)
    await alice.expects("CALL_ENDED", reason="peer_disconnected")
    carol = await (await join()).register("carol")
    await roll_back(own_redis, here)
    await rings(alice, carol, "carol")
    await alice.send("CALL_INITIATE", targetId="bob", sdpOffer=OFFER)
    await alice.expects("ERROR", code="TARGET_NOT_FOUND")
    await alice.expects_nothing()
    assert (await here.registry.status()).registered_clients == 2


async def test_client_that_moved_after_the_snapshot_stays(here: Node, own_redis: RedisServer, join: Join) -> None:
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    await snapshot(own_redis)
    await alice.leaves(1000)
    newer = await (await join()).register("alice")
    await roll_back(own_redis, here)
    await newer.expects_nothing()
    await rings(bob, newer, "alice")


@pytest.mark.usefixtures("here")
async def test_everything_is_restored_at_once_when_redis_was_emptied(own_redis: RedisServer, join: Join) -> None:
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    call_id = await call(alice, bob)
    with redis.Redis.from_url(own_redis.url) as operator:
        operator.flushall()
        async with asyncio.timeout(3):
            await until(lambda: bool(operator.exists("node-registry:client:alice", "node-registry:client:bob") == 2))
    await alice.send("CALL_END", callId=call_id)
    await bob.expects("CALL_ENDED", callId=call_id)
    await rings(bob, alice, "alice")


@pytest.mark.usefixtures("here")
async def test_what_redis_threw_away_is_restored(
    own_redis: RedisServer, join: Join, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["alice", "bob", *(f"person-{number}" for number in range(8))]
    people = [await (await join()).register(name) for name in names]
    call_id = await call(people[0], people[1])
    records = [f"node-registry:client:{name}" for name in names]
    with redis.Redis.from_url(own_redis.url) as operator:
        operator.config_set("maxmemory-policy", "allkeys-lru")
        operator.config_set("maxmemory", operator.info("memory")["used_memory"] + 200_000)
        number = 0
        while operator.exists(*records) > 5:
            number += 1
            operator.set(f"of-others:{number}", "x" * 1000)
        operator.config_set("maxmemory", 0)
        async with asyncio.timeout(6):
            await until(lambda: bool(operator.exists(*records) == 10))
    await people[0].send("CALL_END", callId=call_id)
    await people[1].expects("CALL_ENDED", callId=call_id)
    for number in range(10):
        await rings(people[number - 1], people[number], names[number])
    assert sum("throws keys away" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.usefixtures("here")
async def test_hang_up_of_a_call_that_redis_lost_is_refused_until_it_is_restored(
    own_redis: RedisServer, join: Join
) -> None:
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    call_id = await call(alice, bob)
    await alice.send("CALL_END", callId="call-of-nobody-0123456789")
    await alice.expects("ERROR", code="CALL_NOT_FOUND")
    with redis.Redis.from_url(own_redis.url) as operator:
        operator.delete(*(f"node-registry:{key}" for key in (f"call:{call_id}", "calls:alice", "calls:bob")))
        await alice.send("CALL_END", callId=call_id)
        await alice.expects("ERROR", code="RATE_LIMITED", callId=call_id)
        await until(lambda: bool(operator.exists(f"node-registry:call:{call_id}")))
    await alice.send("CALL_END", callId=call_id)
    await bob.expects("CALL_ENDED", callId=call_id)
    await alice.send("CALL_END", callId=call_id)
    await alice.expects("ERROR", code="CALL_NOT_FOUND")
