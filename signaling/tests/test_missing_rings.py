"""A callee whose ring was lost with its process gets it from the connection of the caller."""

from dataclasses import replace
from typing import Any

import pytest
from pytest_django import Settings

from signaling.cluster.node import Node
from signaling.connections.copies import COPY_BYTES
from signaling.delivery.events import NO_RING, RING_ASKED, Event, group_of
from signaling.telemetry.counters import counters
from signaling.tests.phones import ANSWER, CALL, OFFER, Leave, Phone, goes_away, lost, proved, ring, superseded
from signaling.tests.stage import until
from signaling.tests.wires import Site

IDS = ["superseded", "lost", "going-away"]


async def dies_with_its_process(here: Node, where: Site, phone: Phone, client_id: str = "bob") -> None:
    """Lose the line, and all that its connection kept, as a process does that is killed."""
    await phone.hears_nothing_more()
    for connection in here.members.connections():
        if connection.client_id == client_id:
            here.relay.proofs.take(connection)
            here.relay.copies.take(connection)
    await lost(where, phone)


async def rung(where: Site) -> tuple[Phone, Phone]:
    """Have Alice call Bob, who has heard it."""
    alice, bob = await ring(where)
    await bob.hears_all("INCOMING_CALL", "ICE_CANDIDATE")
    return alice, bob


async def rings(bob: Phone, *candidates: Any) -> None:
    """Expect the ring with these candidates, and nothing more."""
    incoming, *came = await bob.hears_all("INCOMING_CALL", *["ICE_CANDIDATE"] * len(candidates))
    assert incoming["payload"]["sdpOffer"] == OFFER
    assert "iceServers" in incoming["payload"]
    assert [one["payload"]["candidate"] for one in came] == list(candidates)
    await bob.hears_nothing_more()


async def test_ring_that_was_lost_with_a_process_comes_from_the_caller(here: Node, where: Site) -> None:
    alice, bob = await rung(where)
    for candidate in ("2", "3"):
        await dies_with_its_process(here, where, bob)
        # It waits for Bob, who has the ring from the caller's copy and this from what was held.
        alice.does("ICE_CANDIDATE", callId=CALL, candidate=candidate)
        await alice.hears_nothing_more()
        bob = await Phone.joins(where, "bob")
        await rings(bob, "1", "2", *(["3"] if candidate == "3" else []))
    alice.does("ICE_CANDIDATE", callId=CALL, candidate="4")
    (last,) = await bob.hears_all("ICE_CANDIDATE")
    assert last["payload"]["candidate"] == "4"
    bob.does("CALL_ACCEPT", callId=CALL, sdpAnswer=ANSWER)
    await alice.hears_all("CALL_ACCEPTED")
    await bob.hears_nothing_more()
    # Answered, it has no copy any more.
    assert len(here.relay.copies) == 0
    await dies_with_its_process(here, where, bob)
    bob = await Phone.joins(where, "bob")
    await bob.hears_nothing_more()


async def test_ring_that_came_from_a_copy_is_kept_like_any_other(here: Node, where: Site) -> None:
    _, bob = await rung(where)
    await dies_with_its_process(here, where, bob)
    bob = await Phone.joins(where, "bob")
    await rings(bob, "1")
    await proved(here, bob)
    await lost(where, bob)
    bob = await Phone.joins(where, "bob")
    await rings(bob, "1")


@pytest.mark.parametrize("leave", [superseded, lost, goes_away], ids=IDS)
async def test_copy_moves_with_its_caller(here: Node, where: Site, leave: Leave) -> None:
    alice, bob = await rung(where)
    for _ in range(2):
        await leave(where, alice)
        alice = await Phone.joins(where, "alice")
    alice.does("ICE_CANDIDATE", callId=CALL, candidate="2")
    await bob.hears_all("ICE_CANDIDATE")
    await dies_with_its_process(here, where, bob)
    bob = await Phone.joins(where, "bob")
    await rings(bob, "1", "2")


async def test_caller_that_is_away_answers_when_it_is_back(here: Node, where: Site) -> None:
    alice, bob = await rung(where)
    await lost(where, alice)
    await dies_with_its_process(here, where, bob)
    bob = await Phone.joins(where, "bob")
    await bob.hears_nothing_more()
    alice = await Phone.joins(where, "alice")
    alice.does("ICE_CANDIDATE", callId=CALL, candidate="2")
    await alice.hears_nothing_more()
    await rings(bob, "1", "2")


async def test_caller_whose_process_died_as_well_is_told_what_stands(here: Node, where: Site) -> None:
    alice, bob = await rung(where)
    await dies_with_its_process(here, where, alice, "alice")
    alice = await Phone.joins(where, "alice")
    await alice.hears_nothing_more()
    bob.does("CALL_ACCEPT", callId=CALL, sdpAnswer=ANSWER)
    (accepted,) = await alice.hears_all("CALL_ACCEPTED")
    assert accepted["payload"]["callId"] == CALL


async def test_callee_does_not_wait_for_a_caller_without_a_copy(here: Node, where: Site) -> None:
    alice, bob = await rung(where)
    await dies_with_its_process(here, where, alice, "alice")
    alice = await Phone.joins(where, "alice")
    await dies_with_its_process(here, where, bob)
    alice.does("ICE_CANDIDATE", callId=CALL, candidate="2")
    await alice.hears_nothing_more()
    bob = await Phone.joins(where, "bob")
    await bob.hears_all("ICE_CANDIDATE")
    await bob.hears_nothing_more()
    alice.does("CALL_END", callId=CALL)
    await bob.hears_all("CALL_ENDED")


async def test_call_that_ended_meanwhile_does_not_ring(here: Node, where: Site) -> None:
    alice, bob = await rung(where)
    await dies_with_its_process(here, where, bob)
    alice.does("CALL_END", callId=CALL)
    await alice.hears_nothing_more()
    assert len(here.relay.copies) == 0
    bob = await Phone.joins(where, "bob")
    await bob.hears_all("CALL_ENDED")
    await bob.hears_nothing_more()


async def test_nobody_but_the_callee_gets_a_copy(here: Node, where: Site) -> None:
    alice, bob = await rung(where)
    carol = await Phone.joins(where, "carol")
    channel, heard = await here.layer.new_channel(), list[Event]()
    here.layer.attach(channel, heard.append)
    for client_id in ("alice", "bob", "carol"):
        for call_id in (CALL, "another-call-of-nobody"):
            ask = {"type": RING_ASKED, "frame": "", "call": call_id, "sender": channel}
            assert await here.layer.group_send(group_of(client_id), ask) == 1
    # To Bob alone, who has it.
    await until(lambda: len(heard) == 5)
    assert {event["type"] for event in heard} == {NO_RING}
    for phone in (alice, bob, carol):
        await phone.hears_nothing_more()


async def test_copies_are_bounded(here: Node, where: Site, settings: Settings) -> None:
    settings.LIMITS = replace(settings.LIMITS, message_burst=0)
    alice, bob = await Phone.joins(where, "alice"), await Phone.joins(where, "bob")
    before = counters.messages_not_kept
    alice.does("CALL_INITIATE", targetId="bob", sdpOffer=OFFER, callId=CALL)
    long = "x" * (COPY_BYTES // 9)
    for _ in range(9):
        alice.does("ICE_CANDIDATE", callId=CALL, candidate=long)
        await alice.hears_nothing_more()
    (connection,) = (one for one in here.members.connections() if one.client_id == "alice")
    ring, *candidates = here.relay.copies.frames(connection, CALL)
    assert "INCOMING_CALL" in ring
    assert len(candidates) == 8
    assert counters.messages_not_kept > before
    await bob.hears_all("INCOMING_CALL", *["ICE_CANDIDATE"] * 9)


async def test_copies_count_as_unproved_and_are_freed(here: Node, where: Site) -> None:
    alice, bob = await rung(where)
    await proved(here, bob)
    (connection,) = (one for one in here.members.connections() if one.client_id == "alice")
    frames = here.relay.copies.frames(connection, CALL)
    # Once for each side.
    assert here.relay.room.size == 2 * sum(map(len, frames))
    bob.does("CALL_REJECT", callId=CALL)
    await alice.hears_all("CALL_REJECTED")
    assert len(here.relay.copies) == 0
    await proved(here, alice)
    assert here.relay.room.size == 0


async def test_caller_that_does_not_answer_is_waited_for_no_longer(here: Node, where: Site) -> None:
    """Its ring comes late, and once."""
    _, bob = await rung(where)
    (connection,) = (one for one in here.members.connections() if one.client_id == "alice")
    connection.park()
    await dies_with_its_process(here, where, bob)
    bob = await Phone.joins(where, "bob")
    await bob.hears_nothing_more()
    connection.unpark()
    await rings(bob, "1")
