import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, NoReturn, TypeVar

import pytest
from channels.testing import ApplicationCommunicator
from pytest_django import Settings

from signaling.cluster.node import Node
from signaling.connections.handover import HANDOVER_SECONDS
from signaling.delivery.events import Event, changing
from signaling.protocol.calls import Action, Leg
from signaling.protocol.closing import Hold
from signaling.protocol.errors import UnavailableError
from signaling.protocol.limits import Limits, Timeouts
from signaling.protocol.server_messages import CallEnded
from signaling.registry.contract import Registry
from signaling.registry.memory import MemoryRegistry
from signaling.registry.outcomes import Owner, Released
from signaling.routing import websocket_application as application
from signaling.tests.people import ANSWER_SECONDS, OFFER, Person, call
from signaling.tests.stage import until

Join = Callable[..., Awaitable[Person]]
CALL = "call-of-this-test"
Kind = TypeVar("Kind", bound=MemoryRegistry)


async def registered(here: Node) -> int:
    return (await here.registry.status()).registered_clients


def use(here: Node, registry: Registry) -> None:
    """Have the node go on with another registry."""
    here.registry = here.relay.registry = registry


def memory(kind: type[Kind], settings: Settings) -> Kind:
    return kind(settings.LIMITS, settings.TIMEOUTS, asyncio.get_running_loop().time)


# --- The way of a call ---------------------------------------------------------------------------------------


async def test_call_from_beginning_to_end(here: Node, join: Join) -> None:
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    call_id = await call(alice, bob)
    for candidate in ("candidate:1", {"candidate": "candidate:2", "sdpMid": "0"}, ""):
        await alice.send("ICE_CANDIDATE", callId=call_id, candidate=candidate)
        await bob.expects("ICE_CANDIDATE", callId=call_id, candidate=candidate)
        await bob.send("ICE_CANDIDATE", callId=call_id, candidate=candidate)
        await alice.expects("ICE_CANDIDATE", callId=call_id, candidate=candidate)
    await bob.send("CALL_END", callId=call_id)
    await alice.expects("CALL_ENDED", callId=call_id)
    await alice.send("CALL_END", callId=call_id)
    await alice.expects("ERROR", code="CALL_NOT_FOUND", request="CALL_END", callId=call_id)
    await bob.expects_nothing()
    assert await registered(here) == 2


@pytest.mark.usefixtures("here")
async def test_call_on_a_server_of_another_kind(join: Join) -> None:
    alice = await (await join(server=application)).register("alice")
    bob = await (await join(server=application)).register("bob")
    call_id = await call(alice, bob)
    await alice.send("ICE_CANDIDATE", callId=call_id, candidate="")
    await bob.expects("ICE_CANDIDATE", callId=call_id, candidate="")


@pytest.mark.usefixtures("here")
async def test_frames_of_any_kind_leave_the_connection_open(join: Join) -> None:
    alice = await join()
    for frame in (b"\x00", b"", b'{"type":"HEARTBEAT"}', "", "null", "{", "[" * 5000, '{"type":7}', "x" * 70_000):
        await alice.send_raw(frame)
        await alice.expects("ERROR", code="INVALID_MESSAGE")
    await alice.send("CALL_END", callId=CALL)
    await alice.expects("ERROR", code="NOT_REGISTERED", request="CALL_END", callId=CALL)
    await alice.register("alice")


@pytest.mark.usefixtures("here")
async def test_newest_connection_has_the_id(join: Join) -> None:
    bob = await (await join()).register("bob")
    first = await (await join()).register("alice")
    call_id = await call(first, bob)
    second = await (await join()).register("alice")
    await first.expects_close(4409)
    await first.leaves(4409)
    await bob.send("ICE_CANDIDATE", callId=call_id, candidate="after")
    await second.expects("ICE_CANDIDATE", callId=call_id, candidate="after")
    await second.send("CALL_END", callId=call_id)
    await bob.expects("CALL_ENDED", callId=call_id)


async def test_newest_of_many_connections_at_once_has_the_id(here: Node, join: Join) -> None:
    people = [await join() for _ in range(4)]
    await people[0].register("alice")
    for person in people[1:]:
        await person.send("REGISTER", clientId="alice")
    newest = people[-1]
    await newest.expects("REGISTERED", clientId="alice")
    # Nobody waits in vain until the handover is given up.
    async with asyncio.timeout(HANDOVER_SECONDS / 2):
        for person in people[:-1]:
            # Whether it was registered for a moment or not, it has to go.
            while (event := await person.socket.receive_output(ANSWER_SECONDS))["type"] != "websocket.close":
                pass
            assert event["code"] == 4409
    await newest.expects_nothing()
    assert await registered(here) == 1


@pytest.mark.usefixtures("here")
async def test_connection_that_drops_finds_what_waited(join: Join) -> None:
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    call_id = await call(alice, bob)
    await bob.is_cut_off()
    for number in range(5):
        await alice.send("ICE_CANDIDATE", callId=call_id, candidate=str(number))
    await alice.send("CALL_INITIATE", targetId="bob", sdpOffer=OFFER)
    await alice.expects("ERROR", code="TARGET_NOT_FOUND")
    again = await (await join()).register("bob")
    for number in range(5):
        await again.expects("ICE_CANDIDATE", callId=call_id, candidate=str(number))
    await again.send("CALL_END", callId=call_id)
    await alice.expects("CALL_ENDED", callId=call_id)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("code", [1000, 1005])
async def test_connection_closed_cleanly_ends_its_calls(join: Join, code: int) -> None:
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    call_id = await call(alice, bob)
    await bob.leaves(code)
    await alice.expects("CALL_ENDED", callId=call_id, reason="peer_disconnected")
    await alice.send("CALL_END", callId=call_id)
    await alice.expects("ERROR", code="CALL_NOT_FOUND")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("code", [1001, 1006, 3000])
async def test_connection_closed_otherwise_finds_its_calls(join: Join, code: int) -> None:
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    call_id = await call(alice, bob)
    await bob.leaves(code)
    await alice.expects_nothing()
    await (await (await join()).register("bob")).send("CALL_END", callId=call_id)
    await alice.expects("CALL_ENDED", callId=call_id)


# --- What a connection leaves behind -------------------------------------------------------------------------


async def test_connection_that_ends_leaves_nothing(here: Node, tasks_left: Callable[[], set[str]], join: Join) -> None:
    before = await members_and_channels(here)
    for code in (1000, 1006, 4409):
        person = await (await join()).register("alice")
        await person.leaves(code)
    assert await members_and_channels(here) == before
    assert await registered(here) == 0
    assert tasks_left() == set()


async def members_and_channels(here: Node) -> tuple[int, int, int]:
    return len(here.members), len(connected_channels(here)), len(here.layer.groups)


def connected_channels(here: Node) -> set[str]:
    """The channels that lead to connections; the process has some of its own."""
    channels: dict[str, Any] = vars(here.layer)["_channels"]
    return {name for name in channels if not name.endswith(("!presence", "!returns", "!owners", "!bans"))}


async def test_connection_that_ends_before_it_began_leaves_nothing(here: Node) -> None:
    scope = {"type": "websocket", "path": "/signal", "headers": [], "query_string": b"", "subprotocols": []}
    communicator = ApplicationCommunicator(application, scope)  # type: ignore[no-untyped-call]
    await communicator.send_input({"type": "websocket.disconnect", "code": 1006})
    await communicator.wait()
    assert await members_and_channels(here) == (0, 0, 0)


async def test_cancelled_connection_is_held(here: Node, join: Join) -> None:
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    call_id = await call(alice, bob)
    assert await registered(here) == 2
    bob.socket.future.cancel()
    await asyncio.wait([bob.socket.future])
    assert await registered(here) == 1
    assert len(here.members) == 1
    await alice.send("ICE_CANDIDATE", callId=call_id, candidate="while away")
    again = await (await join()).register("bob")
    await again.expects("ICE_CANDIDATE", candidate="while away")


async def test_connections_of_an_address_are_counted_out_again(here: Node, join: Join, settings: Settings) -> None:
    settings.LIMITS = replace(settings.LIMITS, connections_per_ip=2)
    vars(here.registry)["_limits"] = settings.LIMITS
    first, _ = await join(), await join()
    refused = await join()
    await refused.expects("ERROR", code="RATE_LIMITED", retryAfterMs=60_000)
    await refused.expects_close(4429)
    await refused.leaves(4429)
    elsewhere = await join(address="203.0.113.10")
    await elsewhere.expects_nothing()
    await first.leaves()
    await (await join()).expects_nothing()


# --- Bugs and cleaning up ------------------------------------------------------------------------------------


async def test_register_leaves_nothing_to_wait_for_in_one_process_unless_somebody_has_the_id(
    memory_here: Node, join: Join
) -> None:
    frame = json.dumps({"type": "REGISTER", "payload": {"clientId": "alice"}})
    alice = await join()
    (first,) = memory_here.members
    consumer: Any = first
    assert consumer.received(frame, None) is None
    await alice.expects("REGISTERED", clientId="alice")
    again = await join()
    (consumer,) = set(memory_here.members) - {first}
    await consumer.received(frame, None)
    await again.expects("REGISTERED", clientId="alice")
    await alice.expects_close(4409)
    assert await registered(memory_here) == 1


async def test_changes_of_a_call_leave_nothing_to_wait_for_in_one_process(memory_here: Node, join: Join) -> None:
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    consumers: Any = {member.connection.client_id: member for member in memory_here.members}

    def say(client_id: str, message_type: str, **payload: str) -> object:
        return consumers[client_id].received(json.dumps({"type": message_type, "payload": payload}), None)

    assert say("alice", "CALL_INITIATE", targetId="bob", sdpOffer=OFFER, callId=CALL) is None
    assert say("bob", "CALL_ACCEPT", callId=CALL, sdpAnswer=OFFER) is None
    assert say("alice", "CALL_END", callId=CALL) is None
    assert say("alice", "CALL_INITIATE", targetId="bob", sdpOffer=OFFER, callId=CALL) is None
    assert say("bob", "CALL_REJECT", callId=CALL) is None
    for message_type in ("INCOMING_CALL", "CALL_ENDED", "INCOMING_CALL"):
        await bob.expects(message_type, callId=CALL)
    for message_type in ("CALL_ACCEPTED", "CALL_REJECTED"):
        await alice.expects(message_type, callId=CALL)


class Asked(MemoryRegistry):
    """A registry that answers later, as one that asks another process."""

    def __init__(self, limits: Limits, timeouts: Timeouts, clock: Callable[[], float]) -> None:
        super().__init__(limits, timeouts, clock)
        self.at_once = None


class Broken(MemoryRegistry):
    """A registry with a bug."""

    def open_call_at_once(self, call_id: str, caller: str, callee: str, *, is_chosen: bool) -> NoReturn:
        raise RuntimeError(call_id, caller, callee, is_chosen)


class Away(MemoryRegistry):
    """A registry that cannot be reached when clients leave."""

    is_away = False

    async def release(self, client_id: str, owner: Owner, strays: list[Event], *, hold: Hold) -> Released | None:
        if self.is_away:
            raise UnavailableError
        return await super().release(client_id, owner, strays, hold=hold)

    async def depart(self, address: str) -> None:
        if self.is_away:
            raise UnavailableError
        await super().depart(address)


@pytest.fixture
async def memory_here(settings: Settings) -> Any:
    from signaling.cluster import node  # noqa: PLC0415 -- as in conftest.py

    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "signaling.delivery.layers.LocalChannelLayer"}}
    yield await node.current()
    await node.stop()


async def test_bug_is_logged_once_and_closes_the_connection(
    memory_here: Node, join: Join, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    use(memory_here, memory(Broken, settings))
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    await alice.send("CALL_INITIATE", targetId="bob", sdpOffer=OFFER, callId=CALL)
    await alice.expects_close(1011)
    await alice.socket.wait()
    logged = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [record.name for record in logged] == ["signaling.consumers"]
    assert logged[0].exc_info is not None
    assert logged[0].exc_info[0] is RuntimeError
    assert await registered(memory_here) == 1
    assert (await memory_here.registry.status()).connections == 1
    assert len(memory_here.members) == 1
    await bob.expects_nothing()
    await (await join()).register("alice")


async def test_frame_waits_for_the_one_before_it(memory_here: Node, join: Join, settings: Settings) -> None:
    class Slow(Asked):
        asked, answers = asyncio.Event(), asyncio.Event()

        async def advance(self, call_id: str, client_id: str, action: Action) -> Leg:
            self.asked.set()
            await self.answers.wait()
            return await super().advance(call_id, client_id, action)

    registry = memory(Slow, settings)
    use(memory_here, registry)
    alice = await (await join()).register("alice")
    await alice.send("CALL_END", callId=CALL)
    await registry.asked.wait()
    await alice.send("HEARTBEAT")
    registry.answers.set()
    await alice.expects("ERROR", code="CALL_NOT_FOUND")
    await alice.expects("HEARTBEAT_ACK")


async def test_bug_in_a_connection_holds_its_calls(memory_here: Node, join: Join, settings: Settings) -> None:
    class BrokenLater(Asked):
        async def advance(self, call_id: str, client_id: str, action: Action) -> Leg:
            if action is Action.REJECT:
                raise RuntimeError(call_id)
            return await super().advance(call_id, client_id, action)

    use(memory_here, memory(BrokenLater, settings))
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    call_id = await call(alice, bob)
    await bob.send("CALL_REJECT", callId=call_id)
    await bob.expects_close(1011)
    await bob.socket.wait()
    await alice.send("ICE_CANDIDATE", callId=call_id, candidate="while away")
    again = await (await join()).register("bob")
    await again.expects("ICE_CANDIDATE", candidate="while away")


async def test_step_that_could_not_be_taken_is_owed(memory_here: Node, join: Join, settings: Settings) -> None:
    registry = memory(Away, settings)
    use(memory_here, registry)
    alice = await (await join()).register("alice")
    registry.is_away = True
    await alice.leaves()
    assert await registered(memory_here) == 1
    registry.is_away = False
    owed, memory_here.relay.owed = memory_here.relay.owed, []
    for step in owed:
        await step()
    assert await registered(memory_here) == 0


async def test_bug_while_leaving_still_counts_the_connection_out(
    memory_here: Node, join: Join, settings: Settings
) -> None:
    class BrokenAtTheEnd(MemoryRegistry):
        async def release(self, client_id: str, owner: Owner, strays: list[Event], *, hold: Hold) -> NoReturn:
            raise RuntimeError(client_id, owner, strays, hold)

    use(memory_here, memory(BrokenAtTheEnd, settings))
    alice = await (await join()).register("alice")
    with pytest.raises(RuntimeError):
        await alice.leaves()
    assert (await memory_here.registry.status()).connections == 0
    assert connected_channels(memory_here) == set()


async def test_call_that_ends_while_it_is_answered_stays_ended(
    memory_here: Node, join: Join, settings: Settings
) -> None:
    class Racing(Asked):
        async def advance(self, call_id: str, client_id: str, action: Action) -> Leg:
            leg = await super().advance(call_id, client_id, action)
            if action is Action.ANSWER:
                # The end of the call arrives with the answer's reply, before whoever waits for that goes on.
                await super().advance(call_id, leg.peer, Action.CLOSE)
                await memory_here.layer.group_send("client.bob", changing(CallEnded(call_id), call_id, None, ""))
            return leg

    use(memory_here, memory(Racing, settings))
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    call_id = await call(alice, bob, is_answered=False)
    await bob.send("CALL_ACCEPT", callId=call_id, sdpAnswer="v=0")
    await bob.expects("CALL_ENDED", callId=call_id)
    await bob.send("ICE_CANDIDATE", callId=call_id, candidate="late")
    await bob.expects("ERROR", code="CALL_NOT_FOUND")


async def test_call_of_a_caller_that_is_superseded_meanwhile_names_the_caller(
    memory_here: Node, join: Join, settings: Settings
) -> None:
    class Slow(Asked):
        opened, may_go_on = asyncio.Event(), asyncio.Event()

        async def open_call(self, call_id: str, caller: str, callee: str, *, is_chosen: bool = True) -> str | None:
            replaced = await super().open_call(call_id, caller, callee, is_chosen=is_chosen)
            self.opened.set()
            await self.may_go_on.wait()
            return replaced

    registry = memory(Slow, settings)
    use(memory_here, registry)
    first, bob = await (await join()).register("alice"), await (await join()).register("bob")
    await first.send("CALL_INITIATE", targetId="bob", sdpOffer=OFFER)
    await Slow.opened.wait()
    second = await (await join()).register("alice")
    Slow.may_go_on.set()
    incoming = await bob.expects("INCOMING_CALL", callerId="alice")
    await bob.send("ICE_CANDIDATE", callId=incoming["callId"], candidate="early")
    await second.expects("ICE_CANDIDATE", callId=incoming["callId"], candidate="early")


async def test_end_of_a_call_reaches_the_peer_when_the_way_is_free_again(
    memory_here: Node, join: Join, settings: Settings
) -> None:
    class Holding(MemoryRegistry):
        is_away = False

        async def hold(self, client_id: str, event: Event) -> bool:
            if self.is_away:
                raise UnavailableError
            return await super().hold(client_id, event)

    registry = memory(Holding, settings)
    use(memory_here, registry)
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    call_id = await call(alice, bob)
    await bob.is_cut_off()
    registry.is_away = True
    await alice.send("CALL_END", callId=call_id)
    await alice.send("HEARTBEAT")
    event = await alice.socket.receive_output(ANSWER_SECONDS)
    if '"HEARTBEAT_ACK"' not in event["text"]:
        await alice.expects("HEARTBEAT_ACK")
    registry.is_away = False
    await alice.send("CALL_END", callId=call_id)
    for step in memory_here.relay.owed:
        await step()
    again = await (await join()).register("bob")
    await again.expects("CALL_ENDED", callId=call_id)


@pytest.mark.usefixtures("here")
async def test_client_that_asks_too_much_is_closed(join: Join, settings: Settings) -> None:
    settings.LIMITS = replace(settings.LIMITS, message_burst=3, messages_per_second=1, refused_messages=5)
    alice = await join()
    for _ in range(3):
        await alice.expects_nothing()
    for _ in range(6):
        await alice.send("HEARTBEAT")
        refused = await alice.expects("ERROR", code="RATE_LIMITED")
        assert 0 < refused["retryAfterMs"] <= 1000
    await alice.expects_close(4429)
    await alice.send("HEARTBEAT")
    await alice.leaves(4429)
    assert await alice.socket.receive_nothing(0)


async def test_close_by_the_server_holds_calls_even_when_the_client_answers_cleanly(here: Node, join: Join) -> None:
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    call_id = await call(alice, bob)
    again = await (await join()).register("bob")
    await bob.expects_close(4409)
    await bob.leaves(1000)
    await alice.send("ICE_CANDIDATE", callId=call_id, candidate="still here")
    await again.expects("ICE_CANDIDATE", candidate="still here")
    await until(lambda: len(here.members) == 2)
