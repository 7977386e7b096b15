"""What happens to an event between processes of two versions; the other version's is `elsewhere`."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from pytest_django import Settings

from signaling.cluster import node
from signaling.cluster.node import Node
from signaling.cluster.roll_call import RollCall
from signaling.delivery.events import FORMAT, RETURNED, Event, batched, changing, group_of
from signaling.protocol.calls import Action, State
from signaling.protocol.server_messages import CallEnded
from signaling.registry.outcomes import Owner, Status
from signaling.telemetry.counters import counters
from signaling.tests.people import ANSWER, OFFER, Person
from signaling.tests.stage import PATIENCE_SECONDS, RedisProcess, message, redis_process, until, use_redis

Join = Callable[..., Awaitable[Person]]
CALL = "call-of-this-test"
numbers = itertools.count(1)


def kind() -> str:
    """A type of event that no version has had yet: the first of each kind is logged once in a process' life."""
    return f"client.of-the-future-{next(numbers)}"


@pytest.fixture
async def on_redis(redis_url: str, prefix: str, settings: Settings) -> AsyncIterator[Node]:
    """The node of a process of this version."""
    use_redis(settings, redis_url, prefix)
    yield await node.current()
    await node.stop()


@pytest.fixture
async def elsewhere(on_redis: Node, redis_url: str, prefix: str) -> AsyncIterator[RedisProcess]:
    """A process of another version."""
    assert on_redis.cluster.is_up
    async with redis_process(redis_url, prefix) as process:
        yield process


class Stranger:
    """A client of another version's process, to which nothing of ours is known."""

    def __init__(self, process: RedisProcess, client_id: str) -> None:
        self.process, self.client_id = process, client_id
        self.returned: list[Event] = []
        self._returning: set[asyncio.Task[None]] = set()

    async def register(self) -> "Stranger":
        """Be online."""
        owner = Owner(self.client_id, await self.process.layer.new_channel())
        self.process.layer.attach(owner.channel, self._hear)
        await self.process.registry.claim(self.client_id, owner)
        await self.process.layer.group_add(group_of(self.client_id), owner.channel)
        await self.process.registry.join(self.client_id, owner)
        return self

    def _hear(self, event: Event) -> None:
        self.returned.append(event)
        returning = self.process.layer.send(event["sender"], {"type": RETURNED, "event": event})
        self._returning.add(asyncio.ensure_future(returning))


@pytest.fixture
async def bob(elsewhere: RedisProcess) -> Stranger:
    return await Stranger(elsewhere, "bob").register()


@pytest.fixture
async def alice(on_redis: Node, join: Join) -> Person:  # noqa: ARG001 -- pytest's way to ask for the server
    return await (await join()).register("alice")


async def inbox(process: RedisProcess) -> tuple[str, list[Event]]:
    """A channel of a process, and what comes to it."""
    channel, came = await process.layer.new_channel(), list[Event]()
    process.layer.attach(channel, came.append)
    return channel, came


# --- What is not known here -------------------------------------------------------------------------------


@pytest.mark.parametrize("is_known_type", [False, True])
async def test_unknown_event_goes_back_to_its_sender(
    elsewhere: RedisProcess, alice: Person, caplog: pytest.LogCaptureFixture, *, is_known_type: bool
) -> None:
    caplog.set_level(logging.WARNING)
    channel, came = await inbox(elsewhere)
    unknown: Event = {"type": kind(), "frame": "secret", "sender": channel}
    if is_known_type:
        unknown |= {"type": "client.message", "format": FORMAT + next(numbers)}
    before = counters.events_unknown
    packed = elsewhere.channel_layer.serialize(unknown)
    for _ in range(3):
        assert await elsewhere.link.call("PUBLISH", elsewhere.layer.redis_name(group_of("alice")), packed) == 1
    await until(lambda: len(came) == 3)
    assert all(event["type"] == RETURNED for event in came)
    assert came[0]["event"]["frame"] == "secret"
    assert counters.events_unknown == before + 3
    assert caplog.text.count(unknown["type"]) == 1
    assert "secret" not in caplog.text
    await alice.expects_nothing()


async def test_unknown_event_without_a_sender_is_counted(elsewhere: RedisProcess, alice: Person) -> None:
    before = counters.events_unknown
    await elsewhere.layer.group_send(group_of("alice"), {"type": kind()})
    await until(lambda: counters.events_unknown == before + 1)
    await alice.expects_nothing()


async def test_unknown_event_that_was_held_goes_back_when_the_client_returns(
    elsewhere: RedisProcess, alice: Person, join: Join
) -> None:
    carol = await (await join()).register("carol")
    call_id = await call_of(carol, alice)
    await alice.is_cut_off()
    channel, came = await inbox(elsewhere)
    assert await elsewhere.registry.hold("alice", {"type": kind(), "frame": "", "sender": channel})
    await carol.send("ICE_CANDIDATE", callId=call_id, candidate="after")
    again = await (await join()).register("alice")
    await again.expects("ICE_CANDIDATE", candidate="after")
    await until(lambda: len(came) == 1)


async def call_of(caller: Person, callee: Person) -> str:
    await caller.send("CALL_INITIATE", targetId="alice", sdpOffer=OFFER, callId=CALL)
    await callee.expects("INCOMING_CALL")
    await callee.send("CALL_ACCEPT", callId=CALL, sdpAnswer=ANSWER)
    await caller.expects("CALL_ACCEPTED")
    return CALL


async def test_unknown_parts_of_a_batch_go_back_and_the_others_arrive(elsewhere: RedisProcess, alice: Person) -> None:
    channel, came = await inbox(elsewhere)
    unknown = {"type": kind(), "frame": "", "sender": channel}
    known = message('{"type":"HELLO","payload":{}}')
    await elsewhere.layer.group_send(group_of("alice"), batched([unknown, known, unknown], "nobody"))
    await alice.expects("HELLO")
    await until(lambda: len(came) == 2)


async def test_call_that_ended_by_an_unknown_event_is_told(elsewhere: RedisProcess, alice: Person, join: Join) -> None:
    carol = await (await join()).register("carol")
    call_id = await call_of(carol, alice)
    await elsewhere.registry.advance(call_id, "carol", Action.CLOSE)
    await elsewhere.layer.group_send(group_of("alice"), {"type": kind()})
    await alice.expects("CALL_ENDED", callId=call_id)
    await alice.send("ICE_CANDIDATE", callId=call_id, candidate="")
    await alice.expects("ERROR", code="CALL_NOT_FOUND")


async def test_call_that_nobody_told_of_is_not_ended_by_an_unknown_event(
    on_redis: Node, elsewhere: RedisProcess, alice: Person, bob: Stranger
) -> None:
    (member,) = on_redis.members
    await elsewhere.registry.open_call(CALL, bob.client_id, "alice")
    await member.connection.reconcile()
    assert member.connection.legs == {}
    await elsewhere.registry.advance(CALL, bob.client_id, Action.CLOSE)
    await member.connection.reconcile()
    await alice.expects_nothing()


async def test_client_whose_successor_waits_is_superseded_by_an_unknown_event(
    elsewhere: RedisProcess, alice: Person
) -> None:
    channel, _ = await inbox(elsewhere)
    newer = Owner("newer", channel)
    claim = await elsewhere.registry.claim("alice", newer)
    assert claim.holder is not None
    await elsewhere.layer.group_send(group_of("alice"), {"type": kind(), "connection": claim.holder})
    await alice.expects_close(4409)
    await until_taken(elsewhere, newer)


async def until_taken(process: RedisProcess, owner: Owner) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await process.registry.claim("alice", owner)).holder is not None:
            await asyncio.sleep(0)


async def test_events_that_come_while_the_registry_is_asked_keep_their_order(
    elsewhere: RedisProcess, alice: Person
) -> None:
    for number in range(20):
        if number % 5 == 0:
            await elsewhere.layer.group_send(group_of("alice"), {"type": kind()})
        await elsewhere.layer.group_send(group_of("alice"), message(f'{{"type":"N","payload":{{"is":{number}}}}}'))
    for number in range(20):
        await alice.expects("N", **{"is": number})


# --- What is not known there ------------------------------------------------------------------------------


async def test_offer_that_is_not_known_there_is_taken_back(on_redis: Node, alice: Person, bob: Stranger) -> None:
    for _ in range(2):
        await alice.send("CALL_INITIATE", targetId="bob", sdpOffer=OFFER, callId=CALL)
        error = await alice.expects("ERROR", code="RATE_LIMITED", request="CALL_INITIATE", callId=CALL)
        assert error["retryAfterMs"] > 0
        assert await on_redis.registry.status() == Status(0, 2, 0, 0)
    assert len(bob.returned) == 2
    await alice.expects_nothing()


async def test_answer_that_is_not_known_there_ends_the_call(
    elsewhere: RedisProcess, on_redis: Node, alice: Person, bob: Stranger
) -> None:
    await elsewhere.registry.open_call(CALL, "bob", "alice")
    await ring(elsewhere, "bob")
    await alice.expects("INCOMING_CALL", callId=CALL)
    await alice.send("CALL_ACCEPT", callId=CALL, sdpAnswer=ANSWER)
    await alice.expects("ERROR", code="CALL_NOT_FOUND", request="CALL_ACCEPT", callId=CALL)
    assert await on_redis.registry.status() == Status(0, 2, 0, 0)
    # The caller's process hears of the end as well, should it know that.
    await until(lambda: len(bob.returned) == 2)
    await alice.send("ICE_CANDIDATE", callId=CALL, candidate="")
    await alice.expects("ERROR", code="CALL_NOT_FOUND", request="ICE_CANDIDATE")


async def ring(process: RedisProcess, caller: str) -> None:
    frame = f'{{"type":"INCOMING_CALL","payload":{{"callId":"{CALL}","callerId":"{caller}","sdpOffer":"v=0"}}}}'
    event = message(frame) | {"changes": [CALL, State.RINGING.value, caller]}
    assert await process.layer.group_send(group_of("alice"), event) == 1


@pytest.mark.parametrize("request_type", ["CALL_REJECT", "CALL_END"])
async def test_end_that_is_not_known_there_is_told(
    elsewhere: RedisProcess, on_redis: Node, alice: Person, bob: Stranger, request_type: str
) -> None:
    await elsewhere.registry.open_call(CALL, "bob", "alice")
    await ring(elsewhere, "bob")
    await alice.expects("INCOMING_CALL", callId=CALL)
    await alice.send(request_type, callId=CALL)
    await alice.expects("ERROR", code="CALL_NOT_FOUND", request=request_type, callId=CALL)
    assert await on_redis.registry.status() == Status(0, 2, 0, 0)
    assert len(bob.returned) == 1


async def test_candidates_that_are_not_known_there_are_each_told(
    elsewhere: RedisProcess, alice: Person, bob: Stranger
) -> None:
    await elsewhere.registry.open_call(CALL, "bob", "alice")
    await ring(elsewhere, "bob")
    await alice.expects("INCOMING_CALL", callId=CALL)
    before = counters.events_returned
    for number in range(30):
        await alice.send("ICE_CANDIDATE", callId=CALL, candidate=f"{number}")
    for _ in range(30):
        await alice.expects("ERROR", code="RATE_LIMITED", request="ICE_CANDIDATE", callId=CALL)
    assert counters.events_returned == before + 30
    # Some went together.
    assert any(event["type"] == "client.batch" for event in bob.returned)


async def test_what_the_server_said_is_counted_when_it_returns(
    on_redis: Node, bob: Stranger, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    before = counters.events_returned
    ended: Any = changing(CallEnded(CALL, "timeout"), CALL, None, "") | {"type": (new := kind())}
    assert await on_redis.relay.send("bob", ended)
    await until(lambda: counters.events_returned == before + 1)
    assert caplog.text.count(new) == 1
    assert len(bob.returned) == 1


async def test_event_that_is_passed_on_keeps_its_sender(on_redis: Node, bob: Stranger, elsewhere: RedisProcess) -> None:
    channel, came = await inbox(elsewhere)
    await on_redis.relay.deliver_later("bob", message("") | {"sender": channel})
    await until(lambda: len(came) == 1)
    assert len(bob.returned) == 1


async def test_event_for_the_process_itself_that_is_not_known_is_counted(
    on_redis: Node, elsewhere: RedisProcess
) -> None:
    before = counters.events_unknown
    await elsewhere.layer.send(on_redis.relay.returns.channel, {"type": kind()})
    await until(lambda: counters.events_unknown == before + 1)


async def test_returned_event_is_understood_in_any_format(
    on_redis: Node, elsewhere: RedisProcess, alice: Person
) -> None:
    (member,) = on_redis.members
    event = message('{"type":"ICE_CANDIDATE","payload":{"callId":"x","candidate":""}}')
    packed = elsewhere.channel_layer.serialize(
        {"type": RETURNED, "event": event, "format": FORMAT + 1, "__asgi_channel__": member.connection.owner.channel}
    )
    name = f"{elsewhere.layer.prefix}specific.{on_redis.layer.process}!"
    assert await elsewhere.link.call("PUBLISH", name, packed) == 1
    await alice.expects("ERROR", code="RATE_LIMITED", request="ICE_CANDIDATE", callId="x")


async def test_nothing_is_left_of_what_was_returned(
    alice: Person, bob: Stranger, on_redis: Node, tasks_left: Callable[[], set[str]]
) -> None:
    before = tasks_left()
    await alice.send("CALL_INITIATE", targetId="bob", sdpOffer=OFFER, callId=CALL)
    await alice.expects("ERROR")
    await alice.expects_nothing()
    assert len(bob.returned) == 1
    await until(lambda: tasks_left() <= before)
    assert vars(on_redis.relay)["_outboxes"] == {}


# --- Operators' questions ---------------------------------------------------------------------------------


async def test_unknown_question_is_not_answered_and_the_process_is_named(
    on_redis: Node, elsewhere: RedisProcess
) -> None:
    before = counters.events_unknown
    channel = f"specific.{on_redis.layer.process}!presence"
    await elsewhere.layer.send(channel, {"type": kind(), "reply_to": channel})
    await until(lambda: counters.events_unknown == before + 1)
    answer_channel, came = await inbox(elsewhere)
    await elsewhere.layer.send(channel, {"type": "presence.find", "text": "", "most": 1, "reply_to": answer_channel})
    # It came after it, so that question has been passed over.
    await until(lambda: len(came) == 1)


async def test_answer_of_an_unknown_kind_is_none(on_redis: Node, elsewhere: RedisProcess) -> None:
    stranger = elsewhere.layer.process

    def answer(question: Event) -> None:
        reply = {"type": kind(), "process": stranger}
        answering.append(asyncio.ensure_future(elsewhere.layer.send(question["reply_to"], reply)))

    answering: list[asyncio.Task[None]] = []
    elsewhere.layer.attach(f"specific.{stranger}!presence", answer)
    found = await RollCall(on_redis.layer, on_redis.members).find({stranger: 3}, "", 10)
    assert (found.clients, found.silent) == ([], {stranger: 3})
    assert len(answering) == 1


# --- The dashboard ---------------------------------------------------------------------------------------


async def test_snapshot_of_another_version_is_logged(
    on_redis: Node, elsewhere: RedisProcess, caplog: pytest.LogCaptureFixture
) -> None:
    await elsewhere.registry.renew_lease(0, b'{"figures": "of the future"}')
    before = counters.events_unknown
    assert [one.process for one in (await on_redis.overview()).processes] == [on_redis.layer.process]
    assert counters.events_unknown == before + 1
    assert "not known here (a snapshot)" in caplog.text
