"""Client IDs move between connections; each test looks at one step, in a server of one process."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from signaling.connections.handover import Handover
from signaling.connections.mailbox import Inbox
from signaling.connections.relay import Relay
from signaling.delivery.events import RELEASED, SUPERSEDE, Event, group_of
from signaling.delivery.layers import LocalChannelLayer
from signaling.protocol.calls import HELD_MESSAGES, Action
from signaling.protocol.closing import Hold
from signaling.protocol.errors import UnavailableError
from signaling.protocol.limits import Limits, Timeouts
from signaling.registry.contract import SupersededError
from signaling.registry.memory import MemoryRegistry
from signaling.registry.outcomes import Joined, Owner, Released
from signaling.telemetry.counters import counters
from signaling.tests.stage import Clock, change, message


class Away(MemoryRegistry):
    """A registry that may be away: for releases, and for joins."""

    is_away = False

    async def join(self, client_id: str, owner: Owner) -> Joined | None:
        if self.is_away:
            raise UnavailableError
        return await super().join(client_id, owner)

    async def release(self, client_id: str, owner: Owner, strays: list[Event], *, hold: Hold) -> Released | None:
        if self.is_away:
            raise UnavailableError
        return await super().release(client_id, owner, strays, hold=hold)


@dataclass
class Side:
    """A connection, as far as client IDs move to it: it holds what comes, and releases its ID when it is asked to."""

    handover: Handover
    owner: Owner
    inbox: Inbox
    superseded: list[Event]


@pytest.fixture
def registry(clock: Clock) -> Away:
    return Away(Limits(), Timeouts(), clock)


@pytest.fixture
async def relay(registry: Away) -> Relay:
    return Relay(registry, LocalChannelLayer().here())


async def new_side(relay: Relay) -> Side:
    channel = await relay.layer.new_channel()
    owner = Owner(f"connection of {channel}", channel)
    inbox = Inbox()
    side = Side(Handover(relay, owner, inbox), owner, inbox, [])

    def deliver(event: Event) -> None:
        if event["type"] == RELEASED:
            side.handover.note_release()
        elif event["type"] == SUPERSEDE:
            side.superseded.append(event)
        else:
            inbox.hold(event)

    relay.layer.attach(owner.channel, deliver)
    return side


async def until_asked(side: Side) -> None:
    while not side.superseded:
        await asyncio.sleep(0)


async def test_join_gives_what_was_held_and_holds_what_comes(relay: Relay) -> None:
    first, second, carol = [await new_side(relay) for _ in range(3)]
    await first.handover.join("bob")
    await carol.handover.join("carol")
    await relay.registry.open_call("call-of-this-test", "bob", "carol")
    await first.handover.leave("bob", hold=Hold.FULL)
    await relay.send("bob", message("held"))
    joined = await second.handover.join("bob")
    assert joined.held == [message("held") | {"sender": relay.returns.channel}]
    assert relay.post("bob", message("after")) is None
    assert second.inbox.empty() == [message("after")]


async def test_leave_puts_the_inbox_in_front_of_what_the_registry_held(relay: Relay) -> None:
    first, second = await new_side(relay), await new_side(relay)
    await first.handover.join("bob")
    relay.post("bob", message("came"))
    await relay.registry.hold("bob", message("held"))
    await first.handover.leave("bob", hold=Hold.FULL)
    joined = await second.handover.join("bob")
    assert joined.held == [message("came"), message("held")]


async def test_leave_leaves_the_group_before_it_releases_the_id(clock: Clock) -> None:
    members: list[tuple[str, ...]] = []
    layer = LocalChannelLayer().here()

    class Watched(MemoryRegistry):
        async def release(self, client_id: str, owner: Owner, strays: list[Event], *, hold: Hold) -> Released | None:
            members.append(layer.groups.get(group_of(client_id), ()))
            return await super().release(client_id, owner, strays, hold=hold)

    side = await new_side(Relay(Watched(Limits(), Timeouts(), clock), layer))
    await side.handover.join("bob")
    await side.handover.leave("bob", hold=Hold.FULL)
    assert members == [()]


async def test_newer_connection_waits_until_the_older_one_has_released_the_id(relay: Relay) -> None:
    older, newer = await new_side(relay), await new_side(relay)
    await older.handover.join("bob")
    joining = asyncio.create_task(newer.handover.join("bob"))
    await until_asked(older)
    relay.post("bob", message("came to the older one"))
    assert not joining.done()
    await older.handover.leave("bob", hold=Hold.FULL)
    assert (await joining).held == [message("came to the older one")]


async def test_older_connection_that_stays_silent_is_evicted(relay: Relay) -> None:
    older, newer = await new_side(relay), await new_side(relay)
    await older.handover.join("bob")
    relay.layer.detach(older.owner.channel)
    await newer.handover.join("bob")
    relay.post("bob", message("came"))
    assert newer.inbox.empty() == [message("came")]
    # What the evicted one still has goes to the newer one.
    older.inbox.hold(message("late"))
    await older.handover.leave("bob", hold=Hold.FULL)
    assert newer.inbox.empty() == [message("late")]


async def test_rest_of_an_evicted_connection_is_delivered_where_it_says_what_is_so(
    relay: Relay, registry: Away
) -> None:
    older, newer, alice = [await new_side(relay) for _ in range(3)]
    await alice.handover.join("alice")
    await older.handover.join("bob")
    for call_id in ("stands", "gone"):
        await registry.open_call(call_id, "alice", "bob")
    relay.layer.detach(older.owner.channel)
    await newer.handover.join("bob")
    relay.post("bob", message("newer"))
    await registry.advance("gone", "alice", Action.CLOSE)
    rings = [message(call_id) | {"changes": [call_id, "ringing", "alice"]} for call_id in ("stands", "gone")]
    end = message("end") | {"changes": ["gone", "", ""]}
    for event in (*rings, end):
        older.inbox.hold(event)
    await older.handover.leave("bob", hold=Hold.FULL)
    assert newer.inbox.empty() == [message("newer"), rings[0], end]


async def test_candidates_that_find_no_room_are_counted(relay: Relay) -> None:
    before = counters.messages_held, counters.messages_dropped
    side = await new_side(relay)
    await side.handover.join("bob")
    for _ in range(HELD_MESSAGES + 2):
        side.inbox.hold(message("x"))
    await side.handover.leave("bob", hold=Hold.FULL)
    assert (counters.messages_held, counters.messages_dropped) == (before[0] + HELD_MESSAGES, before[1] + 2)
    for _ in range(3):
        await relay.deliver_later("bob", message("x"))
    assert counters.messages_dropped == before[1] + 5
    await side.handover.join("bob")


async def test_newest_of_several_that_wait_has_the_id_and_the_others_are_superseded(relay: Relay) -> None:
    first, second, third = [await new_side(relay) for _ in range(3)]
    await first.handover.join("bob")
    losing = asyncio.create_task(second.handover.join("bob"))
    await until_asked(first)
    winning = asyncio.create_task(third.handover.join("bob"))
    with pytest.raises(SupersededError):
        await losing
    await first.handover.leave("bob", hold=Hold.FULL)
    await winning
    assert relay.layer.groups == {group_of("bob"): (third.owner.channel,)}


async def test_id_that_could_not_be_joined_is_given_back(relay: Relay, registry: Away) -> None:
    first, second = await new_side(relay), await new_side(relay)
    registry.is_away = True
    with pytest.raises(UnavailableError):
        await first.handover.join("bob")
    assert relay.layer.groups == {}
    registry.is_away = False
    assert (await registry.status()).registered_clients == 1
    await relay.settle()
    assert (await registry.status()).registered_clients == 0
    await second.handover.join("bob")


async def test_release_is_owed_once_however_often_a_client_tries(relay: Relay, registry: Away) -> None:
    side = await new_side(relay)
    registry.is_away = True
    for _ in range(5):
        with pytest.raises(UnavailableError):
            await side.handover.join("bob")
    assert len(relay.owed) == 1


async def test_owed_releases_keep_what_came_at_each_try(relay: Relay, registry: Away) -> None:
    first, second = await new_side(relay), await new_side(relay)
    registry.is_away = True
    for word in ("one", "two"):
        first.inbox.hold(change(word))
        with pytest.raises(UnavailableError):
            await first.handover.join("bob")
    registry.is_away = False
    await relay.settle()
    joined = await second.handover.join("bob")
    assert [event["frame"] for event in joined.held] == ["one", "two"]


async def test_late_release_leaves_the_id_to_a_connection_that_joined_again(relay: Relay, registry: Away) -> None:
    side = await new_side(relay)
    registry.is_away = True
    side.inbox.hold(change("came while joining"))
    with pytest.raises(UnavailableError):
        await side.handover.join("bob")
    registry.is_away = False
    await side.handover.join("bob")
    await relay.settle()
    assert (await registry.status()).registered_clients == 1
    assert side.inbox.empty() == [change("came while joining")]


async def test_late_release_of_another_id_is_taken(relay: Relay, registry: Away) -> None:
    side = await new_side(relay)
    registry.is_away = True
    with pytest.raises(UnavailableError):
        await side.handover.join("bob")
    registry.is_away = False
    await side.handover.join("carol")
    await relay.settle()
    assert await registry.who_is_online(["bob", "carol"]) == {"carol"}


async def test_join_again_gives_the_calls_that_are_known(relay: Relay, registry: Away) -> None:
    bob, carol = await new_side(relay), await new_side(relay)
    await bob.handover.join("bob")
    await carol.handover.join("carol")
    for call_id in ("known", "unknown"):
        await registry.open_call(call_id, "carol", "bob")
    await registry.hold("bob", message("held"))
    joined = await bob.handover.join_again("bob", {"known"})
    assert joined is not None
    assert (list(joined.legs), joined.held) == (["known"], [message("held")])


async def test_join_again_is_refused_when_a_newer_connection_waits(
    relay: Relay, tasks_left: Callable[[], set[str]]
) -> None:
    older, newer = await new_side(relay), await new_side(relay)
    await older.handover.join("bob")
    joining = asyncio.create_task(newer.handover.join("bob"))
    await until_asked(older)
    assert await older.handover.join_again("bob", ()) is None
    await older.handover.leave("bob", hold=Hold.FULL)
    await joining
    assert await older.handover.join_again("bob", ()) is None
    assert tasks_left() == set()
