import json

import pytest
from msgspec import UNSET

from signaling.connections.legs import follow, registered
from signaling.delivery.events import GONE
from signaling.protocol.calls import Leg, Role, State
from signaling.protocol.fields import MAX_FRAME_BYTES
from signaling.protocol.listed import RegisteredCall

CALL = "call-of-this-test"


def test_call_that_rings_is_one_of_a_callee() -> None:
    legs: dict[str, Leg] = {}
    follow(legs, CALL, "ringing", "alice")
    assert legs == {CALL: Leg("alice", Role.CALLEE, State.RINGING)}


def test_call_that_is_answered_keeps_its_peer_and_role() -> None:
    legs = {CALL: Leg("bob", Role.CALLER, State.RINGING)}
    follow(legs, CALL, "active", "")
    assert legs == {CALL: Leg("bob", Role.CALLER, State.ACTIVE)}


def test_call_that_is_gone_does_not_come_back_by_a_late_answer() -> None:
    legs = {CALL: Leg("bob", Role.CALLER, State.RINGING)}
    follow(legs, CALL, GONE, "")
    follow(legs, CALL, GONE, "")
    follow(legs, CALL, "active", "")
    assert legs == {}


def test_registered_lists_calls_where_there_are_some() -> None:
    assert registered("alice", {}).calls is UNSET
    listed = registered("alice", {"call": Leg("bob", Role.CALLEE, State.RINGING)})
    assert listed.calls == [RegisteredCall("call", "bob", Role.CALLEE, State.RINGING)]


@pytest.mark.parametrize("count", [1, 300, 345, 346, 800])
def test_calls_that_ring_again_are_left_out_of_an_answer_that_is_too_long(count: int) -> None:
    ringing = {f"{number:064}": Leg("p" * 64, Role.CALLEE, State.RINGING) for number in range(count)}
    mine = {
        "m" * 64: Leg("p" * 64, Role.CALLER, State.RINGING),
        "a" * 64: Leg("p" * 64, Role.CALLEE, State.ACTIVE),
    }
    frame = registered("b" * 64, {**ringing, **mine}).encode()
    listed = json.loads(frame)["payload"]["calls"]
    one_more = len(json.dumps(listed[0], separators=(",", ":"))) + len(",")
    assert len(frame) <= MAX_FRAME_BYTES
    assert len(listed) == count + len(mine) or len(frame) + one_more > MAX_FRAME_BYTES
    assert {call["callId"] for call in listed} >= mine.keys()
