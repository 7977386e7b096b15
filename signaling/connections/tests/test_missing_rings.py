"""What a caller's answer adds to what came by itself."""

from signaling.connections.missing_rings import spread, without_ring
from signaling.delivery.events import Event
from signaling.protocol.calls import Leg, Role, State
from signaling.registry.tests.both import candidate, changed

RINGS = {"one"}
ring = changed("one", "ringing")
sent = [candidate("one", word) for word in "1234"]
elsewhere = candidate("two", "other")


def answered(*candidates: Event) -> Event:
    return changed("one", "ringing", "again") | {"candidates": [event["frame"] for event in candidates]}


def bare(answer: Event) -> Event:
    return {name: answer[name] for name in ("type", "frame", "changes")}


def test_answer_is_the_ring_and_its_candidates() -> None:
    answer = answered(*sent[:2])
    assert spread([elsewhere, answer, sent[2]], RINGS, []) == [elsewhere, bare(answer), *sent[:3]]


def test_answer_comes_in_front_of_what_came_by_itself() -> None:
    answer = answered(*sent[:3])
    assert spread([elsewhere, sent[1], elsewhere, sent[2], answer, sent[3]], RINGS, []) == [
        *(elsewhere, bare(answer), sent[0], sent[1], elsewhere, sent[2], sent[3])
    ]


def test_candidate_that_was_sent_twice_comes_twice() -> None:
    answer = answered(sent[0], sent[1], sent[0])
    assert spread([sent[0], answer], RINGS, []) == [bare(answer), sent[0], sent[1], sent[0]]
    assert spread([answer], RINGS, [sent[0]]) == [bare(answer), sent[0], sent[1]]


def test_candidate_that_was_not_kept_stays_where_it_is() -> None:
    answer = answered(sent[0])
    assert spread([sent[1], answer], RINGS, []) == [bare(answer), sent[0], sent[1]]


def test_call_that_rang_does_not_ring_again() -> None:
    answer = answered(*sent[:2])
    assert spread([ring, sent[0], answer], RINGS, []) == [ring, sent[0]]
    assert spread([answer, answer], RINGS, []) == [bare(answer), *sent[:2]]
    assert spread([answer], RINGS, [ring]) == []


def test_answer_follows_the_end_of_an_earlier_call_of_its_id() -> None:
    answer, end = answered(sent[0]), changed("one", "")
    assert spread([ring, sent[0], end, sent[1], answer], RINGS, []) == [
        *(ring, sent[0], end, bare(answer), sent[0], sent[1])
    ]
    assert spread([sent[1], answer], RINGS, [ring, end, sent[0]]) == [bare(answer), sent[1]]


def test_call_that_does_not_ring_here_stays_silent() -> None:
    assert spread([answered(*sent)], {"two"}, []) == []


def test_rings_are_missing_of_calls_that_ring_here() -> None:
    legs = {
        "here": Leg("peer", Role.CALLEE, State.RINGING),
        "one": Leg("peer", Role.CALLEE, State.RINGING),
        "elsewhere": Leg("peer", Role.CALLER, State.RINGING),
        "answered": Leg("peer", Role.CALLEE, State.ACTIVE),
    }
    end: Event = {"type": "client.of-the-future"}
    assert without_ring(legs, [candidate("here"), changed("here", "active"), end, ring]) == ["here"]
    assert without_ring(legs, [ring, changed("here", "ringing")]) == []
    assert without_ring({}, []) == []
