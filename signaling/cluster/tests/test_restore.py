"""Redis goes and comes back."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import cast

import pytest
from msgspec import Raw
from pytest_django import Settings

from signaling.cluster import node
from signaling.cluster.node import Node
from signaling.connections.relay import Relay
from signaling.delivery.events import changing
from signaling.protocol.calls import Action, State
from signaling.protocol.errors import RateLimitedError
from signaling.protocol.server_messages import CallEnded, IncomingCall
from signaling.registry.outcomes import Owner, Status
from signaling.registry.redis import RedisRegistry
from signaling.tests.gate import Gate
from signaling.tests.people import ANSWER_SECONDS, OFFER, Person, call
from signaling.tests.stage import message, redis_process, until, use_redis
from tests.support.services import RedisServer

Join = Callable[..., Awaitable[Person]]
CALL = "call-of-this-test"


@pytest.fixture
async def gate(own_redis: RedisServer) -> AsyncIterator[Gate]:
    """The way to a Redis that a test may take away."""
    async with Gate(own_redis.port).listening() as gate:
        yield gate


@pytest.fixture
async def on_own_redis(gate: Gate, settings: Settings) -> AsyncIterator[Node]:
    """The node of a process whose Redis a test may take away."""
    use_redis(settings, gate.url, "node")
    yield await node.current()
    await node.stop()


async def pair(join: Join) -> tuple[Person, Person]:
    return await (await join()).register("alice"), await (await join()).register("bob")


async def restart(redis: RedisServer, here: Node) -> None:
    """Take Redis away and give back an empty one."""
    await asyncio.to_thread(redis.stop)
    await asyncio.to_thread(redis.start)
    await until(lambda: bool(here.cluster.is_up))


async def test_clients_stay_when_redis_lost_everything(on_own_redis: Node, own_redis: RedisServer, join: Join) -> None:
    alice, bob = await pair(join)
    call_id = await call(alice, bob)
    ringing = await call(alice, bob, is_answered=False)
    await restart(own_redis, on_own_redis)
    assert await on_own_redis.registry.status() == Status(2, 2, 1, 1)
    await alice.send("ICE_CANDIDATE", callId=call_id, candidate="after")
    await bob.expects("ICE_CANDIDATE", callId=call_id, candidate="after")
    await bob.send("CALL_ACCEPT", callId=ringing, sdpAnswer="v=0")
    await alice.expects("CALL_ACCEPTED", callId=ringing)
    await alice.send("CALL_END", callId=call_id)
    await bob.expects("CALL_ENDED", callId=call_id)
    async with redis_process(own_redis.url, "node") as other:
        assert await other.layer.group_send("client.alice", message('{"type":"HELLO","payload":{}}')) == 1
        await alice.expects("HELLO")


async def test_clients_of_one_process_reach_each_other_without_redis(
    on_own_redis: Node, own_redis: RedisServer, join: Join
) -> None:
    alice, bob = await pair(join)
    call_id = await call(alice, bob)
    await asyncio.to_thread(own_redis.stop)
    await alice.send("ICE_CANDIDATE", callId=call_id, candidate="local")
    await bob.expects("ICE_CANDIDATE", callId=call_id, candidate="local")
    await alice.send("CALL_INITIATE", targetId="bob", sdpOffer=OFFER)
    refused = await alice.expects("ERROR", code="RATE_LIMITED", request="CALL_INITIATE")
    assert refused["retryAfterMs"] > 0
    carol = await join()
    await carol.send("REGISTER", clientId="carol")
    await carol.expects("ERROR", code="RATE_LIMITED", request="REGISTER")
    await asyncio.to_thread(own_redis.start)
    await until(lambda: bool(on_own_redis.cluster.is_up))
    await carol.register("carol")


@pytest.mark.usefixtures("on_own_redis")
async def test_client_that_left_while_redis_was_away_is_let_go(own_redis: RedisServer, gate: Gate, join: Join) -> None:
    alice, bob = await pair(join)
    call_id = await call(alice, bob)

    async def leave() -> None:
        leaving.append(asyncio.create_task(bob.leaves(1000)))

    leaving: list[asyncio.Task[None]] = []
    async with redis_process(own_redis.url, "node") as other:
        gate.before(b"HELLO", leave)
        await other.cut_others()
        await alice.expects("CALL_ENDED", callId=call_id, reason="peer_disconnected")
        await leaving[0]
        assert (await other.registry.status()).registered_clients == 1


async def test_owed_steps_survive_one_that_fails(on_own_redis: Node, own_redis: RedisServer, join: Join) -> None:
    taken: list[str] = []

    async def take(name: str) -> None:
        taken.append(name)

    async def refuse() -> None:
        await take("refused")
        raise RateLimitedError("Too much is held.", 1)

    await pair(join)
    on_own_redis.relay.owed += [partial(take, "first"), refuse, partial(take, "last")]
    async with redis_process(own_redis.url, "node") as other:
        await other.cut_others()
        try:
            async with asyncio.timeout(1):
                await until(lambda: "last" in taken and bool(on_own_redis.cluster.is_up))
        finally:
            with contextlib.suppress(RateLimitedError):
                await node.stop()
    assert taken == ["first", "refused", "last"]


@pytest.mark.usefixtures("on_own_redis")
async def test_messages_keep_their_order_when_redis_is_back(own_redis: RedisServer, gate: Gate, join: Join) -> None:
    bob = await (await join()).register("bob")
    async with redis_process(own_redis.url, "node") as other:
        relay = Relay(other.registry, other.layer)

        async def send(number: int) -> None:
            assert await relay.send("bob", message(f'{{"type":"NUMBER","payload":{{"is":{number}}}}}'))

        # The first before this process is reachable again, so it waits; the second as soon as it is.
        gate.before(b"HELLO", partial(send, 1))
        gate.before(b"EVALSHA", partial(send, 2))
        await other.cut_others()
        await bob.expects("NUMBER", **{"is": 1})
        await bob.expects("NUMBER", **{"is": 2})


async def test_call_that_ended_while_redis_was_away_ends_once(
    on_own_redis: Node, own_redis: RedisServer, gate: Gate, join: Join
) -> None:
    alice, bob = await pair(join)
    call_id = await call(alice, bob)
    await alice.is_cut_off()
    async with redis_process(own_redis.url, "node") as other:
        elsewhere = Owner("elsewhere", "nowhere")
        await other.registry.claim("alice", elsewhere)
        await other.registry.join("alice", elsewhere)

        async def end() -> None:
            await other.registry.advance(call_id, "alice", Action.CLOSE)
            ended = changing(CallEnded(call_id, "done"), call_id, None, "alice")
            assert await Relay(other.registry, other.layer).send("bob", ended)

        gate.before(b"HELLO", end)
        await other.cut_others()
        await until(lambda: bool(on_own_redis.cluster.is_up))
        await bob.expects("CALL_ENDED", callId=call_id, reason="done")
        await bob.expects_nothing()


async def test_call_that_comes_while_a_client_is_restored_goes_on(
    on_own_redis: Node, own_redis: RedisServer, join: Join
) -> None:
    bob = await (await join()).register("bob")
    (member,) = on_own_redis.members
    connection = member.connection
    registry = cast(RedisRegistry, on_own_redis.registry)
    async with redis_process(own_redis.url, "node") as other:
        elsewhere = Owner("elsewhere", "nowhere")
        await other.registry.claim("alice", elsewhere)
        await other.registry.join("alice", elsewhere)
        joined = (await registry.restore("bob", connection.owner, connection.legs)).joined
        await other.registry.open_call(CALL, "alice", "bob")
        incoming = IncomingCall(CALL, "alice", Raw(b'"v=0"'), [])
        await other.layer.group_send("client.bob", changing(incoming, CALL, State.RINGING, "alice"))
        # The push is in before whoever waits for the reply goes on.
        await until(lambda: CALL in connection.legs)
        connection.rejoin(joined)
        await bob.expects("INCOMING_CALL", callId=CALL)
        await bob.expects_nothing()
        await bob.send("ICE_CANDIDATE", callId=CALL, candidate="early")
        await bob.expects_nothing()


async def test_requests_wait_until_everything_is_restored(
    on_own_redis: Node, own_redis: RedisServer, gate: Gate, join: Join
) -> None:
    alice, bob = await pair(join)
    call_id = await call(alice, bob)
    answered: list[dict[str, object]] = []

    async def ask() -> None:
        # Redis has lost everything and this process has not yet said what it knows.
        await alice.send("CALL_END", callId=call_id)
        await alice.send("HEARTBEAT")
        answer = json.loads((await alice.socket.receive_output(ANSWER_SECONDS))["text"])
        answered.append(answer["payload"])

    async with redis_process(own_redis.url, "node") as other:
        await other.link.call("FLUSHALL")
        gate.before(b"SUBSCRIBE", ask)
        await other.cut_others()
        await until(lambda: len(answered) == 1 and bool(on_own_redis.cluster.is_up))
    assert answered[0].get("code") != "CALL_NOT_FOUND"


async def test_clients_go_on_when_redis_goes_while_they_are_restored(
    on_own_redis: Node, own_redis: RedisServer, gate: Gate, join: Join
) -> None:
    alice, bob = await pair(join)
    call_id = await call(alice, bob)
    stopped = asyncio.Event()

    async def stop() -> None:
        own_redis.stop()
        stopped.set()

    async with redis_process(own_redis.url, "node") as other:
        # Both are parked by now.
        gate.before(b"SUBSCRIBE", stop)
        await other.cut_others()
        await stopped.wait()
        await alice.send("ICE_CANDIDATE", callId=call_id, candidate="local")
        await bob.expects("ICE_CANDIDATE", callId=call_id, candidate="local")
    assert not on_own_redis.cluster.is_up


async def test_connections_of_an_address_are_counted_again_after_a_loss(
    on_own_redis: Node, own_redis: RedisServer, join: Join
) -> None:
    await pair(join)
    (address,) = {member.address for member in on_own_redis.members}
    await restart(own_redis, on_own_redis)
    async with redis_process(own_redis.url, "node") as other:
        counted = await other.link.call("HGETALL", f"node-registry:address:{address}")
    assert counted == {on_own_redis.layer.process.encode(): b"2"}


async def test_clients_are_restored_when_redis_lost_everything_on_a_link_that_stayed_up(
    on_own_redis: Node, own_redis: RedisServer, join: Join
) -> None:
    await pair(join)
    async with redis_process(own_redis.url, "node") as other:
        await other.link.call("FLUSHALL")
        assert await other.registry.who_is_online(["alice", "bob"]) == set()
        await on_own_redis.cluster.renew_lease()
        await on_own_redis.cluster.restore_if_due()
        assert await other.registry.who_is_online(["alice", "bob"]) == {"alice", "bob"}
