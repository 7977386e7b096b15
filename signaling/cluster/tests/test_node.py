"""A node: its rounds, its start and its stop."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from pytest_django import Settings

from signaling.cluster import node
from signaling.cluster.node import Node
from signaling.registry.outcomes import Status
from signaling.tests.people import Person, call
from signaling.tests.stage import message, redis_process, use_redis

Join = Callable[..., Awaitable[Person]]
CALL = "call-of-this-test"


async def pair(join: Join) -> tuple[Person, Person]:
    return await (await join()).register("alice"), await (await join()).register("bob")


async def test_call_that_nobody_answers_times_out(here: Node, join: Join, settings: Settings) -> None:
    vars(here.registry)["_timeouts"] = replace(settings.TIMEOUTS, ring_seconds=0.1)
    alice, bob = await pair(join)
    call_id = await call(alice, bob, is_answered=False)
    for person in (alice, bob):
        await person.expects("CALL_ENDED", callId=call_id, reason="timeout")
    await bob.send("CALL_ACCEPT", callId=call_id, sdpAnswer="v=0")
    await bob.expects("ERROR", code="CALL_NOT_FOUND")


async def test_call_of_a_client_that_stays_away_ends(here: Node, join: Join, settings: Settings) -> None:
    vars(here.registry)["_timeouts"] = replace(settings.TIMEOUTS, hold_seconds=0.1)
    alice, bob = await pair(join)
    call_id = await call(alice, bob)
    await bob.is_cut_off()
    await alice.expects("CALL_ENDED", callId=call_id, reason="peer_disconnected")


async def test_node_is_one_for_an_event_loop(here: Node) -> None:
    assert await asyncio.gather(*(node.current() for _ in range(10))) == [here] * 10


@pytest.mark.usefixtures("here")
async def test_stop_leaves_no_tasks(tasks_left: Callable[[], set[str]], join: Join) -> None:
    alice, bob = await pair(join)
    await call(alice, bob)
    await alice.leaves()
    await bob.leaves()
    await node.stop()
    await node.stop()
    assert tasks_left() == set()


async def test_stop_lets_other_processes_take_over_at_once(
    redis_url: str, prefix: str, settings: Settings, join: Join
) -> None:
    use_redis(settings, redis_url, prefix)
    async with redis_process(redis_url, prefix) as other:
        # Clocks do not agree: this one is a little ahead of the other's.
        now = node.unix_clock()
        await node.current(lambda: now() + 1)
        alice, bob = await pair(join)
        await call(alice, bob)
        await node.stop()
        assert await other.registry.sweep() == []
        assert await other.registry.status() == Status(0, 0, 0, 1)
        assert await other.registry.hold("alice", message("while away"))
