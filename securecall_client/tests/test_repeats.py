"""What the server sends again after a reconnect is left out, and nothing else."""

import pytest

from securecall_client import CallAccepted, CallEnded, CallRejected, IceCandidate, IncomingCall, PkdResult
from securecall_client.messages import (
    ServerMessage,
)
from securecall_client.parts import Candidate, IceServer
from securecall_client.repeats import MOST_CALLS, MOST_MESSAGES, Repeats

CALL, OTHER = "a-call-of-bob-and-alice", "another-call-of-theirs"
RINGS = IncomingCall(CALL, "bob", "offer")


def candidate(candidate: Candidate, call_id: str = CALL) -> IceCandidate:
    return IceCandidate(call_id, candidate)


def heard(*connections: list[ServerMessage]) -> list[list[ServerMessage]]:
    """Return what is new of the messages of each connection."""
    repeats = Repeats()
    new = []
    for messages in connections:
        repeats.begin_connection()
        new.append([message for message in messages if not repeats.is_repeat(message)])
    return new


@pytest.mark.parametrize(
    "sent",
    [
        [RINGS, candidate("1"), candidate({"candidate": "2", "sdpMid": "0"}), candidate(None)],
        [CallAccepted(CALL, "answer"), candidate("1"), CallEnded(CALL)],
        [CallRejected(CALL, "busy")],
    ],
)
def test_what_was_heard_is_left_out_on_each_later_connection(sent: list[ServerMessage]) -> None:
    assert heard(sent, sent, sent) == [sent, [], []]
    assert heard(sent[:1], sent) == [sent[:1], sent[1:]]


def test_fresh_credentials_make_no_other_message() -> None:
    fresh = IncomingCall(CALL, "bob", "offer", [IceServer("turn:relay.example.com:3478", "user", "password")])

    assert heard([RINGS], [fresh]) == [[RINGS], []]


def test_nothing_is_left_out_on_one_connection() -> None:
    sent: list[ServerMessage] = [candidate(""), candidate(""), CallEnded(CALL), CallEnded(CALL)]

    assert heard(sent) == [sent]


def test_what_comes_after_something_new_is_new() -> None:
    again: list[ServerMessage] = [candidate(""), candidate("new"), candidate("")]

    assert heard([candidate("")], again) == [[candidate("")], again[1:]]


def test_call_with_the_id_of_one_that_ended_rings() -> None:
    assert heard([RINGS, CallEnded(CALL)], [CallEnded(CALL), RINGS]) == [[RINGS, CallEnded(CALL)], [RINGS]]


def test_call_that_is_forgotten_is_heard_anew() -> None:
    repeats = Repeats()
    repeats.begin_connection()
    accepted = CallAccepted(CALL, "answer")
    assert not repeats.is_repeat(accepted)
    repeats.begin_connection()
    repeats.forget(CALL)
    assert not repeats.is_repeat(accepted)


def test_calls_do_not_mix_and_other_messages_always_come() -> None:
    sent: list[ServerMessage] = [candidate("1"), PkdResult("bob", "key")]

    assert heard(sent, [candidate("1", OTHER), *sent])[1] == [candidate("1", OTHER), PkdResult("bob", "key")]


def test_no_more_is_remembered_than_a_client_needs() -> None:
    calls: list[ServerMessage] = [
        IncomingCall(f"call-number-{number:06}", "bob", "") for number in range(MOST_CALLS + 1)
    ]
    assert heard(calls, [calls[-1], calls[0]])[1] == calls[:1]
    candidates: list[ServerMessage] = [candidate(str(number)) for number in range(MOST_MESSAGES + 1)]
    assert heard(candidates, candidates[1:2], candidates[:1]) == [candidates, [], candidates[:1]]
