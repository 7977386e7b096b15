"""What of the events for a client that was away is delivered: the rules alone."""

from signaling.delivery.events import Event
from signaling.protocol.calls import HELD_BYTES, HELD_MESSAGES, Leg, Role, State
from signaling.registry.held import call_of, fitting, is_as_it_is, not_overtaken, to_hand_over
from signaling.registry.tests.both import candidate, changed
from signaling.tests.stage import message

RINGS = {"one": Leg("peer", Role.CALLEE, State.RINGING)}
TALKS = {"one": Leg("peer", Role.CALLER, State.ACTIVE)}
ring, answer, end = (changed("one", state) for state in ("ringing", "active", ""))
trickled = candidate("one")


def late(events: list[Event], legs: dict[str, Leg]) -> list[Event]:
    return [notice.event for notice in not_overtaken(events) if is_as_it_is(notice, legs)]


def test_ring_is_handed_over_while_the_call_rings() -> None:
    assert to_hand_over([ring, trickled], RINGS) == [ring, trickled]
    assert to_hand_over([ring, trickled], TALKS) == [trickled]
    assert to_hand_over([ring, trickled], {}) == []


def test_answer_is_handed_over_while_the_call_stands() -> None:
    assert to_hand_over([answer, trickled], TALKS) == [answer, trickled]
    assert to_hand_over([answer, trickled], {}) == []


def test_end_is_handed_over_always() -> None:
    assert to_hand_over([ring, trickled, end], {}) == [end]
    assert to_hand_over([end], RINGS) == [end]


def test_end_of_a_call_that_was_placed_anew_is_pointless() -> None:
    assert to_hand_over([end, trickled], TALKS) == [trickled]


def test_call_id_that_is_used_again_is_told_apart_by_the_end_before() -> None:
    events = [ring, trickled, end, changed("one", "ringing", "again"), candidate("one", "again")]
    assert to_hand_over(events, RINGS) == events[2:]
    assert to_hand_over([ring, *events[3:]], RINGS) == events[3:]
    assert late(events, RINGS) == events[3:]


def test_late_events_say_what_is_so() -> None:
    for events, legs, left in (
        ([ring, trickled], RINGS, [ring, trickled]),
        ([ring, trickled], TALKS, [trickled]),
        ([answer, end], TALKS, []),
        ([answer, trickled, end], {}, [end]),
        ([end], RINGS, []),
        ([ring, answer], TALKS, [answer]),
    ):
        assert late(events, legs) == left


def test_events_about_no_call_are_left_alone() -> None:
    of_another_version = {"type": "client.message in format 7", "frame": trickled["frame"]}
    copies = {"type": "client.copies", "frame": "", "copies": {"one": ["ring"]}}
    events = [message("no JSON"), of_another_version, copies]
    assert to_hand_over(events, {}) == late(events, {}) == events


def test_fitting_leaves_out_the_oldest_candidates_and_no_change() -> None:
    events = [candidate("one", str(number)) for number in range(HELD_MESSAGES)]
    assert fitting(events, 0, 0) == events
    assert fitting(events, 3, 0) == events[3:]
    assert fitting([ring, *events, end], 3, 0) == [ring, *events[5:], end]
    assert fitting([ring, *events, end], HELD_MESSAGES, 0) == [ring, end]


def test_fitting_counts_bytes_and_keeps_no_candidate_older_than_one_without_room() -> None:
    small, large, newest = message("x"), message("x" * 1000), message("x" * 500)
    assert fitting([small, large, newest], 0, HELD_BYTES - 1501) == [small, large, newest]
    assert fitting([small, large, newest], 0, HELD_BYTES - 1500) == [large, newest]
    assert fitting([small, large, newest], 0, HELD_BYTES - 1499) == [newest]
    assert fitting([small, newest], 0, HELD_BYTES + 1) == []


def test_call_of_an_event_is_that_of_its_change_what_it_says_or_its_frame() -> None:
    frame = '{"type":"ICE_CANDIDATE","payload":{"callId":"named","candidate":""}}'
    changed = {"type": "client.message", "frame": "{}", "changes": ["changed", "", ""]}
    said: Event = {"type": "client.message", "frame": "{}", "call": "said"}
    events: list[Event] = [changed, said, {"type": "client.message", "frame": frame}, {"type": "client.of-the-future"}]
    assert [call_of(event) for event in events] == ["changed", "said", "named", ""]
