"""The door of operators' pages."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from pytest_django import Settings

from signaling import operations
from signaling.cluster import node
from signaling.cluster.node import Node
from signaling.tests.people import Person, call
from signaling.tests.stage import RedisProcess, redis_process, use_redis
from tests.support.services import RedisServer

Join = Callable[..., Awaitable[Person]]


@pytest.fixture
async def elsewhere(on_redis: Node, redis_url: str, prefix: str) -> AsyncIterator[RedisProcess]:
    """Another process, from which an operator asks."""
    assert on_redis.cluster.is_up
    async with redis_process(redis_url, prefix) as process:
        yield process


@pytest.mark.usefixtures("here")
async def test_clients_are_found_with_their_calls(join: Join) -> None:
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    await join()
    await call(alice, bob)
    found = await operations.find_clients("", 10)
    assert [(client.client_id, client.calls) for client in found.clients] == [("alice", 1), ("bob", 1)]
    assert (found.total, found.silent) == (2, {})
    assert found.clients[0].connected_seconds >= found.clients[0].silent_seconds >= 0


async def test_last_message_is_the_last_message(here: Node, join: Join) -> None:
    alice = await (await join()).register("alice")
    (member,) = here.members
    member.connected_at -= 100
    member.last_seen -= 50
    (client,) = (await operations.find_clients("alice", 10)).clients
    assert client.connected_seconds == pytest.approx(100, abs=5)
    assert client.silent_seconds == pytest.approx(50, abs=5)
    await alice.expects_nothing()
    (client,) = (await operations.find_clients("alice", 10)).clients
    assert client.silent_seconds < 5


@pytest.mark.usefixtures("here")
async def test_search_is_for_a_part_in_any_case_and_says_how_many_there_are(join: Join) -> None:
    for client_id in ("Zoe-1", "zoe-2", "zoe-3", "adam"):
        await (await join()).register(client_id)
    found = await operations.find_clients("ZOE", 2)
    assert [client.client_id for client in found.clients] == ["Zoe-1", "zoe-2"]
    assert found.total == 3
    assert (await operations.find_clients("nobody", 2)).total == 0


@pytest.mark.usefixtures("here")
async def test_disconnected_client_is_told_and_its_calls_are_held(join: Join) -> None:
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    call_id = await call(alice, bob)
    assert (await operations.disconnect("bob")).was_connected
    await bob.expects_close(4503)
    await bob.is_cut_off()
    assert (await operations.find_clients("bob", 10)).total == 0
    await alice.send("ICE_CANDIDATE", callId=call_id, candidate="while away")
    again = await (await join()).register("bob")
    await again.expects("ICE_CANDIDATE", callId=call_id, candidate="while away")


@pytest.mark.usefixtures("here")
async def test_disconnecting_who_is_not_connected_does_nothing(join: Join) -> None:
    alice = await (await join()).register("alice")
    assert not (await operations.disconnect("bob")).was_connected
    await alice.expects_nothing()


async def test_process_that_does_not_answer_is_named(elsewhere: RedisProcess, on_redis: Node, join: Join) -> None:
    await (await join()).register("alice")
    began = asyncio.get_running_loop().time()
    # It has a lease, but nobody listens there: it has just died.
    found = await operations.find_clients("", 10)
    assert asyncio.get_running_loop().time() - began < 3
    assert [client.client_id for client in found.clients] == ["alice"]
    assert found.silent == {elsewhere.layer.process: 0}
    assert (await operations.disconnect("bob")).silent == {elsewhere.layer.process: 0}
    assert on_redis.roll_call


async def test_without_redis_own_clients_are_found(own_redis: RedisServer, settings: Settings, join: Join) -> None:
    use_redis(settings, own_redis.url, "presence")
    here = await node.current()
    alice = await (await join()).register("alice")
    own_redis.stop()
    assert [client.client_id for client in (await operations.find_clients("", 10)).clients] == ["alice"]
    assert (await operations.disconnect("alice")).was_connected
    await alice.expects_close(4503)
    assert (await here.processes()).keys() == {here.layer.process}
    await node.stop()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("is_answered", [False, True])
async def test_call_ended_by_an_operator_ends_at_both_sides(join: Join, is_answered: bool) -> None:  # noqa: FBT001
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    call_id = await call(alice, bob, is_answered=is_answered)
    await operations.end_call(call_id)
    for person in (alice, bob):
        assert await person.expects("CALL_ENDED") == {"callId": call_id, "reason": "operator"}
        await person.send("ICE_CANDIDATE", callId=call_id, candidate="late")
        await person.expects("ERROR", code="CALL_NOT_FOUND")


@pytest.mark.usefixtures("here")
async def test_call_ended_by_an_operator_is_told_to_who_is_away(join: Join) -> None:
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    call_id = await call(alice, bob)
    await bob.is_cut_off()
    await operations.end_call(call_id)
    await alice.expects("CALL_ENDED", callId=call_id, reason="operator")
    again = await (await join()).register("bob")
    await again.expects("CALL_ENDED", callId=call_id, reason="operator")


async def pair(join: Join) -> tuple[Person, Person]:
    return await (await join()).register("alice"), await (await join()).register("bob")


async def test_status_counts_everything(here: Node, join: Join) -> None:
    alice, bob = await pair(join)
    await join()
    await call(alice, bob)
    await call(alice, bob, is_answered=False)
    await here.cluster.renew_lease()
    assert await operations.status() == {
        "connections": 3,
        "registeredClients": 2,
        "openCalls": {"ringing": 1, "active": 1},
    }


async def test_overview_of_one_process_is_its_own(here: Node, join: Join) -> None:
    await join()
    overview = await operations.snapshots()
    assert [one.process for one in overview.processes] == [here.layer.process]
    assert overview.total.connections == 1


async def test_overview_without_redis_is_this_process_and_says_so(own_redis: RedisServer, settings: Settings) -> None:
    use_redis(settings, own_redis.url, "snapshots")
    await node.current()
    own_redis.stop()
    overview = await operations.snapshots()
    assert [one.redis_is_up for one in overview.processes] == [False]
    assert overview.total.redis_is_up is False
    await node.stop()
