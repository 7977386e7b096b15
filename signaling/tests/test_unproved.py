"""What a connection wrote, and its client may never have read, reaches the client's next one."""

import json
import time
from dataclasses import replace
from typing import Any

import pytest
from msgspec import Raw
from pytest_django import Settings
from websockets.frames import Frame, Opcode

from signaling.cluster.node import Node
from signaling.connections.proofs import NO_PONG_SECONDS
from signaling.consumers import SignalConsumer
from signaling.delivery.events import changing
from signaling.protocol.calls import State
from signaling.protocol.server_messages import IncomingCall
from signaling.tests.phones import ANSWER, CALL, OFFER, Leave, Phone, goes_away, lost, proved, ring, superseded
from signaling.tests.stage import until
from signaling.tests.wires import Site, site

SIGNAL: Any = SignalConsumer.as_asgi()


@pytest.mark.parametrize("leave", [superseded, lost, goes_away], ids=["superseded", "lost", "going-away"])
async def test_what_was_not_read_follows_the_next_registered(where: Site, leave: Leave) -> None:
    alice, bob = await ring(where)
    await leave(where, bob)
    again = await Phone.joins(where, "bob")
    incoming, candidate = await again.hears_all("INCOMING_CALL", "ICE_CANDIDATE")
    assert (incoming["payload"]["sdpOffer"], candidate["payload"]["candidate"]) == (OFFER, "1")
    alice.does("ICE_CANDIDATE", callId=CALL, candidate="2")
    await again.hears_all("ICE_CANDIDATE")
    await again.hears_nothing_more()
    again.does("CALL_ACCEPT", callId=CALL, sdpAnswer=ANSWER)
    await again.hears_nothing_more()
    # Alice's line is dead as well.
    await leave(where, alice)
    alice = await Phone.joins(where, "alice")
    assert (await alice.hears_all("CALL_ACCEPTED"))[0]["payload"]["sdpAnswer"] == ANSWER
    await alice.hears_nothing_more()


@pytest.mark.parametrize("kind", ["CALL_END", "CALL_REJECT"])
async def test_end_that_was_not_read_is_told_alone(where: Site, kind: str) -> None:
    alice, bob = await ring(where)
    await bob.hears_all("INCOMING_CALL", "ICE_CANDIDATE")
    ends, hears = (alice, bob) if kind == "CALL_END" else (bob, alice)
    ends.does(kind, callId=CALL)
    await ends.hears_nothing_more()
    await lost(where, hears)
    again = await Phone.joins(where, "bob" if hears is bob else "alice")
    await again.hears_all("CALL_ENDED" if kind == "CALL_END" else "CALL_REJECTED")
    await again.hears_nothing_more()


async def test_what_was_proved_does_not_come_again(here: Node, where: Site) -> None:
    alice, bob = await ring(where)
    bob.does("CALL_ACCEPT", callId=CALL, sdpAnswer=ANSWER)
    await bob.hears_all("INCOMING_CALL", "ICE_CANDIDATE")
    await alice.hears_all("CALL_ACCEPTED")
    await here.relay.proofs.ask(time.monotonic())
    for phone in (alice, bob):
        phone.ponges(await phone.pinged())
        await phone.hears_nothing_more()
    alice.does("ICE_CANDIDATE", callId=CALL, candidate="2")
    await alice.hears_nothing_more()
    await lost(where, bob)
    await lost(where, alice)
    bob, alice = await Phone.joins(where, "bob"), await Phone.joins(where, "alice")
    assert (await bob.hears_all("ICE_CANDIDATE"))[0]["payload"]["candidate"] == "2"
    for phone in (alice, bob):
        await phone.hears_nothing_more()


@pytest.mark.parametrize(("request_type", "kept"), [("CALL_REJECT", "CALL_REJECTED"), ("CALL_END", "CALL_ENDED")])
async def test_what_is_about_a_call_that_ended_is_kept_no_longer(
    here: Node, where: Site, request_type: str, kept: str
) -> None:
    alice, bob = await ring(where)
    assert here.relay.room.size
    bob.does(request_type, callId=CALL)
    (end,) = await alice.hears_all(kept)
    assert here.relay.room.size == len(json.dumps(end, separators=(",", ":")))


async def test_clean_close_discards_what_was_not_read(where: Site) -> None:
    alice, bob = await ring(where)
    bob.sends(Frame(Opcode.CLOSE, (1000).to_bytes(2, "big")).serialize(mask=True))
    await alice.hears_all("CALL_ENDED")
    again = await Phone.joins(where, "bob")
    await again.hears_nothing_more()


async def test_round_pings_a_client_while_something_is_unproved(here: Node, where: Site) -> None:
    alice, bob = await ring(where)
    bob.does("CALL_ACCEPT", callId=CALL, sdpAnswer=ANSWER)
    await alice.hears_all("CALL_ACCEPTED")
    # By the node's own round.
    for phone in (alice, bob):
        phone.ponges(await phone.pinged())
    await until(lambda: not here.relay.room.size)


async def test_client_that_answers_no_ping_and_talks_is_believed_to_read(here: Node, where: Site) -> None:
    _, bob = await ring(where)
    bob.does("CALL_REJECT", callId=CALL)
    await bob.hears_all("INCOMING_CALL", "ICE_CANDIDATE")
    await bob.hears_nothing_more()
    now = time.monotonic()
    await here.relay.proofs.ask(now - NO_PONG_SECONDS)
    # A ping frame of the client is a word of its own.
    bob.sends(Frame(Opcode.PING, b"").serialize(mask=True))
    await until(lambda: any(one.received_at >= now for one in here.members.connections() if one.client_id == "bob"))
    await here.relay.proofs.ask(now)
    await lost(where, bob)
    again = await Phone.joins(where, "bob")
    await again.hears_nothing_more()


async def test_call_that_cannot_be_kept_is_refused_before_it_is_there(settings: Settings) -> None:
    settings.LIMITS = replace(settings.LIMITS, unproved_bytes=200)
    async with site(SIGNAL) as where:
        alice, bob = await Phone.joins(where, "alice"), await Phone.joins(where, "bob")
        alice.does("CALL_INITIATE", targetId="bob", sdpOffer="x" * 201, callId=CALL)
        (refusal,) = await alice.hears_all("ERROR")
        assert refusal["payload"]["code"] == "RATE_LIMITED"
        assert refusal["payload"]["retryAfterMs"] > 0
        alice.does("CALL_END", callId=CALL)
        (refusal,) = await alice.hears_all("ERROR")
        assert refusal["payload"]["code"] == "CALL_NOT_FOUND"
        await bob.hears_nothing_more()


@pytest.mark.parametrize("leave", [superseded, lost, goes_away], ids=["superseded", "lost", "going-away"])
async def test_call_that_rings_rings_again_though_its_ring_was_read(here: Node, where: Site, leave: Leave) -> None:
    alice, bob = await ring(where)
    await proved(here, bob)
    alice.does("ICE_CANDIDATE", callId=CALL, candidate="2")
    await alice.hears_nothing_more()
    for _ in range(2):
        await leave(where, bob)
        bob = await Phone.joins(where, "bob")
        incoming, *candidates = await bob.hears_all("INCOMING_CALL", "ICE_CANDIDATE", "ICE_CANDIDATE")
        assert incoming["payload"]["sdpOffer"] == OFFER
        assert [one["payload"]["candidate"] for one in candidates] == ["1", "2"]
        await bob.hears_nothing_more()
        await proved(here, bob)
    bob.does("CALL_ACCEPT", callId=CALL, sdpAnswer=ANSWER)
    await alice.hears_all("CALL_ACCEPTED")
    await bob.hears_nothing_more()
    # Answered, it rings no more, and a candidate that was read does not come again.
    await leave(where, bob)
    bob = await Phone.joins(where, "bob")
    await bob.hears_nothing_more()


async def test_what_rang_is_freed_when_the_call_is_over(here: Node, where: Site) -> None:
    alice, bob = await ring(where)
    await proved(here, bob)
    assert here.relay.room.size
    alice.does("CALL_END", callId=CALL)
    await bob.hears_all("CALL_ENDED")
    await proved(here, bob)
    assert (len(here.relay.proofs), here.relay.room.size) == (0, 0)


async def test_call_does_not_ring_twice_on_one_connection(here: Node, where: Site) -> None:
    _, bob = await ring(where)
    await bob.hears_all("INCOMING_CALL", "ICE_CANDIDATE")
    again = changing(IncomingCall(CALL, "alice", Raw(b'"again"')), CALL, State.RINGING, "alice")
    here.relay.post("bob", again)
    await proved(here, bob)
    here.relay.post("bob", dict(again))
    await bob.hears_nothing_more()


async def test_call_id_that_is_free_again_rings_anew(here: Node, where: Site) -> None:
    alice, bob = await ring(where)
    await proved(here, bob)
    bob.does("CALL_REJECT", callId=CALL)
    await alice.hears_all("CALL_REJECTED")
    alice.does("CALL_INITIATE", targetId="bob", sdpOffer=ANSWER, callId=CALL)
    await bob.hears_all("INCOMING_CALL")
    await lost(where, bob)
    bob = await Phone.joins(where, "bob")
    (incoming,) = await bob.hears_all("INCOMING_CALL")
    assert incoming["payload"]["sdpOffer"] == ANSWER
    await bob.hears_nothing_more()


async def test_reply_needs_no_proof(here: Node, where: Site) -> None:
    phone = await Phone.joins(where, "carol")
    phone.does("HEARTBEAT")
    phone.does("PKD_LOOKUP")
    await phone.hears_all("HEARTBEAT_ACK", "ERROR")
    assert (len(here.relay.proofs), here.relay.room.size) == (0, 0)


async def test_slow_consumer_gets_the_message_that_was_too_much(here: Node, where: Site) -> None:
    alice, _ = await ring(where)
    where.hub.most_unwritten_bytes = 1
    alice.does("CALL_END", callId=CALL)
    await until(lambda: not any(one.client_id == "bob" for one in here.members.connections()))
    where.hub.most_unwritten_bytes = 1 << 20
    again = await Phone.joins(where, "bob")
    await again.hears_all("CALL_ENDED")
    await again.hears_nothing_more()
