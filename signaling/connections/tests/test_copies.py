"""What is kept of calls that ring for their callers."""

import pytest
from msgspec import Raw

from signaling.connections.copies import COPY_BYTES, Copies, read_ring
from signaling.connections.room import Room
from signaling.delivery.events import COPIES
from signaling.protocol.calls import Leg, Role, State
from signaling.protocol.server_messages import IncomingCall
from signaling.telemetry.counters import counters

RINGING = Leg("bob", Role.CALLER, State.RINGING)


class Side:
    """A connection."""

    def __init__(self, *calls: str) -> None:
        self.legs = dict.fromkeys(calls, RINGING)
        self.is_leaving = False


@pytest.fixture
def room() -> Room:
    return Room(0)


@pytest.fixture
def copies(room: Room) -> Copies:
    return Copies(room)


def test_copy_has_the_ring_and_the_candidates_in_order(room: Room, copies: Copies) -> None:
    alice = Side("one", "two")
    for call_id in ("one", "two"):
        copies.keep_ring(alice, call_id, f"ring of {call_id}")
        copies.keep_candidate(alice, call_id, "1")
    copies.keep_candidate(alice, "one", "é")
    assert copies.frames(alice, "one") == ["ring of one", "1", "é"]
    assert room.size == 2 * len("ring of one") + 4
    copies.free(alice, "two")
    assert copies.frames(alice, "two") == ()
    copies.free(alice, "one")
    copies.free(alice, "one")
    assert (len(copies), room.size) == (0, 0)


def test_candidate_of_a_call_without_a_copy_is_not_kept(room: Room, copies: Copies) -> None:
    alice = Side("one", "two")
    copies.keep_candidate(alice, "one", "1")
    copies.keep_ring(alice, "two", "ring")
    copies.keep_candidate(alice, "one", "1")
    copies.drop_candidate(alice, "one", "1")
    assert (copies.frames(alice, "one"), room.size) == ((), len("ring"))


def test_refused_candidate_is_dropped_once_and_the_ring_never(room: Room, copies: Copies) -> None:
    alice = Side("one")
    copies.drop_candidate(alice, "one", "x")
    copies.keep_ring(alice, "one", "x")
    for frame in ("1", "2", "1"):
        copies.keep_candidate(alice, "one", frame)
    for frame in ("1", "x"):
        copies.drop_candidate(alice, "one", frame)
    assert (copies.frames(alice, "one"), room.size) == (["x", "2", "1"], 3)


def test_call_id_that_is_used_again_begins_a_new_copy(room: Room, copies: Copies) -> None:
    alice = Side("one")
    for ring in ("first", "second"):
        copies.keep_ring(alice, "one", ring)
        copies.keep_candidate(alice, "one", "1")
    assert (copies.frames(alice, "one"), room.size) == (["second", "1"], len("second1"))


def test_candidates_beyond_the_bounds_are_not_kept() -> None:
    room = Room(COPY_BYTES + 5)
    copies, alice, carol = Copies(room), Side("one"), Side("two")
    before = counters.messages_not_kept
    copies.keep_ring(alice, "one", "x" * COPY_BYTES)
    copies.keep_candidate(alice, "one", "1")
    copies.keep_ring(carol, "two", "ring")
    for frame in ("12", "1", "2"):
        copies.keep_candidate(carol, "two", frame)
    assert (copies.frames(carol, "two"), counters.messages_not_kept) == (["ring", "1"], before + 3)
    # A ring is always kept.
    copies.keep_ring(carol, "three", "ring")
    assert room.size == COPY_BYTES + 9


def test_sweep_frees_what_rings_no_more(room: Room, copies: Copies) -> None:
    alice, carol = Side("rings", "answered", "ended"), Side("rings")
    for side in (alice, carol):
        for call_id in side.legs:
            copies.keep_ring(side, call_id, "ring")
    del alice.legs["ended"]
    alice.legs["answered"] = Leg("bob", Role.CALLER, State.ACTIVE)
    carol.is_leaving = True
    assert copies.frames(alice, "answered") == ()
    copies.sweep()
    assert (copies.frames(alice, "rings"), len(copies), room.size) == (["ring"], 1, len("ring"))


def test_copies_move_to_the_next_connection(room: Room, copies: Copies) -> None:
    older, newer = Side("rings", "answered"), Side("rings")
    for call_id in older.legs:
        copies.keep_ring(older, call_id, "ring")
        copies.keep_candidate(older, call_id, "1")
    older.legs["answered"] = Leg("bob", Role.CALLER, State.ACTIVE)
    (event,) = copies.take(older)
    assert (event["type"], len(copies), room.size, copies.take(older)) == (COPIES, 0, 0, ())
    older.is_leaving = True
    copies.keep_ring(older, "rings", "ring")
    assert len(copies) == 0
    copies.restore(newer, event["copies"] | {"ended": ["ring"]})
    assert (copies.frames(newer, "rings"), room.size) == (["ring", "1"], 5)


def test_nothing_moves_when_nothing_rings(copies: Copies) -> None:
    alice = Side("one")
    copies.keep_ring(alice, "one", "ring")
    alice.legs.clear()
    assert copies.take(alice) == ()


def test_frame_of_a_ring_is_read_back() -> None:
    incoming = IncomingCall("call-call-call-call", "alice", Raw(b'"v=0 \\u00e9"'), [{"urls": "turn:x"}])
    assert read_ring(incoming.encode()) == incoming
