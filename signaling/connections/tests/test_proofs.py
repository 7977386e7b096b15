"""What is kept of one process' connections until their clients prove to have read it."""

from typing import Any

import pytest

from serving.contract import Event, Listener
from signaling.connections.proofs import PINGS_A_TURN, Pongs, Proofs
from signaling.connections.room import Room
from signaling.protocol.calls import HELD_BYTES, HELD_MESSAGES, Leg
from signaling.protocol.errors import RateLimitedError
from signaling.telemetry.counters import counters
from signaling.tests.stage import change, message


class Side:
    """A connection and its WebSocket: the pings that were written on it."""

    can_ping = True

    def __init__(self) -> None:
        self.received_at = 0.0
        self.pongs = Pongs.UNHEARD
        self.legs: dict[str, Leg] = {}
        self.pings: list[bytes] = []
        self.is_gone = False

    @property
    def outbound(self) -> Any:
        return self

    @outbound.setter
    def outbound(self, _: Any) -> None:
        raise AttributeError

    def ping(self, payload: bytes) -> bool:
        if not self.is_gone:
            self.pings.append(payload)
        return not self.is_gone

    def write(self, text: str, event: Event | None = None) -> bool:
        raise AssertionError(text, event)

    def unsent(self) -> list[Event]:
        raise AssertionError

    def close(self, code: int, reason: str) -> None:
        raise AssertionError(code, reason)

    async def send(self, event: Event) -> None:
        raise AssertionError(event)

    async def serve(self, listener: Listener) -> None:
        raise AssertionError(listener)


@pytest.fixture
def room() -> Room:
    return Room(0)


@pytest.fixture
def proofs(room: Room) -> Proofs:
    return Proofs(room)


@pytest.fixture
def bob() -> Side:
    return Side()


async def test_ping_is_sent_while_something_is_unproved(room: Room, proofs: Proofs, bob: Side) -> None:
    await proofs.ask(0)
    assert bob.pings == []
    proofs.keep(bob, message("1"))
    await proofs.ask(1)
    proofs.keep(bob, message("2"))
    await proofs.ask(2)
    assert len(bob.pings) == 1
    proofs.prove(bob, bob.pings[0])
    await proofs.ask(3)
    proofs.prove(bob, bob.pings[1])
    assert (len(proofs), room.size) == (0, 0)
    await proofs.ask(4)
    assert len(bob.pings) == len(set(bob.pings)) == 2


async def test_pong_proves_what_was_written_before_its_ping(room: Room, proofs: Proofs, bob: Side) -> None:
    proofs.keep(bob, message("1"))
    await proofs.ask(0)
    proofs.keep(bob, message("22"))
    proofs.prove(bob, b"")
    assert (room.size, bob.pongs) == (3, Pongs.UNHEARD)
    proofs.prove(bob, bob.pings[0])
    assert (room.size, bob.pongs) == (2, Pongs.HEARD)
    assert (proofs.take(bob), proofs.take(bob), room.size) == ([message("22")], [], 0)
    proofs.prove(bob, bob.pings[0])


async def test_candidates_of_one_call_are_counted_and_given_back_as_they_came(
    room: Room, proofs: Proofs, bob: Side
) -> None:
    events = [message(text) | {"call": call} for text, call in [("1", "a"), ("22", "a"), ("ü", "a"), ("4", "b")]]
    events[2:2] = [
        message(text) | {"call": "a", "sender": sender} for text, sender in [("5", "x"), ("6", "x"), ("7", "y")]
    ]
    for event in events:
        assert proofs.keep(bob, dict(event))
    assert (proofs.written(bob), room.size) == (events, 9)
    proofs.forget(bob, "a")
    assert room.size == 1
    assert (proofs.take(bob), room.size) == (events[-1:], 0)


async def test_each_connection_has_a_queue_of_its_own(proofs: Proofs, bob: Side) -> None:
    carol = Side()
    proofs.keep(bob, message("bob"))
    proofs.keep(carol, message("carol"))
    await proofs.ask(0)
    proofs.prove(carol, bob.pings[0])
    proofs.prove(bob, bob.pings[0])
    assert (proofs.take(bob), proofs.take(carol)) == ([], [message("carol")])


async def test_client_that_answers_no_ping_and_talks_on_is_asked_no_more(room: Room, proofs: Proofs, bob: Side) -> None:
    proofs.keep(bob, message("1"))
    await proofs.ask(5)
    bob.received_at = 5 + 10 - 0.1
    await proofs.ask(100)
    assert len(proofs) == 1
    bob.received_at = 5 + 10
    await proofs.ask(101)
    assert (len(proofs), room.size, bob.pongs) == (0, 0, Pongs.NONE)
    assert not proofs.keep(bob, message("2"))
    proofs.prove(bob, bob.pings[0])
    await proofs.ask(102)
    assert (len(bob.pings), bob.pongs, proofs.take(bob)) == (1, Pongs.NONE, [])


async def test_client_that_answered_once_is_asked_for_ever(proofs: Proofs, bob: Side) -> None:
    proofs.keep(bob, message("1"))
    await proofs.ask(0)
    proofs.prove(bob, bob.pings[0])
    proofs.keep(bob, message("2"))
    await proofs.ask(1)
    bob.received_at = 1000
    await proofs.ask(1000)
    assert (bob.pongs, proofs.take(bob)) == (Pongs.HEARD, [message("2")])


async def test_connection_that_is_closed_keeps_what_it_has(proofs: Proofs, bob: Side) -> None:
    proofs.keep(bob, message("1"))
    bob.is_gone = True
    await proofs.ask(0)
    await proofs.ask(1)
    assert proofs.take(bob) == [message("1")]


async def test_connections_that_end_in_a_round_are_passed_over(proofs: Proofs) -> None:
    sides = [Side() for _ in range(PINGS_A_TURN + 1)]
    for side in sides:
        proofs.keep(side, message("1"))
    asking = proofs.ask(0)
    # To the end of the first turn.
    asking.send(None)
    proofs.take(sides[-1])
    with pytest.raises(StopIteration):
        asking.send(None)
    assert [len(side.pings) for side in sides] == [1] * PINGS_A_TURN + [0]


def test_candidates_beyond_the_bounds_of_a_client_are_dropped_from_the_oldest_on(
    room: Room, proofs: Proofs, bob: Side
) -> None:
    before = counters.messages_not_kept
    proofs.keep(bob, change("change"))
    for number in range(HELD_MESSAGES + 1):
        proofs.keep(bob, message(f"{number}"))
    kept = proofs.take(bob)
    assert kept == [change("change"), *(message(f"{number}") for number in range(2, HELD_MESSAGES + 1))]
    assert counters.messages_not_kept == before + 2
    for number in range(3):
        proofs.keep(bob, message(f"{number}" * (HELD_BYTES // 2)))
    assert room.size == HELD_BYTES
    assert [event["frame"][0] for event in proofs.take(bob)] == ["1", "2"]
    assert (counters.messages_not_kept, room.size) == (before + 3, 0)


def test_changes_are_kept_beyond_the_bounds(proofs: Proofs, bob: Side) -> None:
    for _ in range(HELD_MESSAGES + 2):
        proofs.keep(bob, change("x"))
    proofs.keep(bob, message("candidate"))
    assert proofs.take(bob) == [change("x")] * (HELD_MESSAGES + 2)


async def test_bound_of_the_process_is_for_all_of_its_connections(bob: Side) -> None:
    room, carol = Room(10), Side()
    proofs = Proofs(room)
    proofs.keep(bob, message("12345"))
    proofs.keep(carol, message("123"))
    proofs.keep(carol, message("4567"))
    assert room.size == 9
    proofs.keep(carol, change("890"))
    assert room.size == 8
    proofs.keep(carol, message("abc"))
    assert (room.size, proofs.take(carol)) == (8, [change("890")])
    room.check(5)
    with pytest.raises(RateLimitedError):
        room.check(6)
    proofs.take(bob)
    room.check(6)


async def test_queue_that_is_left_without_candidates_is_freed(bob: Side) -> None:
    room = Room(2)
    proofs = Proofs(room)
    proofs.keep(bob, message("12345"))
    assert (len(proofs), room.size) == (1, 0)
    await proofs.ask(0)
    assert (len(proofs), bob.pings) == (0, [])


def test_nothing_is_too_much_without_a_limit(room: Room, proofs: Proofs, bob: Side) -> None:
    proofs.keep(bob, change("x" * 100))
    room.check(65_536)
    assert room.size == 100


def test_connection_without_pings_keeps_nothing(proofs: Proofs, bob: Side) -> None:
    bob.pongs = Pongs.NONE
    assert not proofs.keep(bob, message("1"))
    assert proofs.take(bob) == []
