"""Which request an answer belongs to."""

import pytest

from securecall_client import (
    CallEnded,
    ClosedError,
    Error,
    HeartbeatAck,
    InvalidFrameError,
    PkdResult,
    RequestError,
    TurnCredentials,
)
from securecall_client.codec import decode
from securecall_client.unanswered import Unanswered

ACK = HeartbeatAck()


async def test_answers_settle_requests_of_their_type_in_order() -> None:
    unanswered = Unanswered()
    first, second = (unanswered.add("PKD_LOOKUP", answer=PkdResult) for _ in range(2))
    credentials = unanswered.add("TURN_CREDENTIALS", answer=TurnCredentials)

    assert unanswered.settle(TurnCredentials([], 1))
    assert unanswered.settle(PkdResult("alice", "one"))
    assert not second.done()
    assert unanswered.settle(PkdResult("bob", "two"))

    assert [await first, await second, await credentials] == [
        PkdResult("alice", "one"),
        PkdResult("bob", "two"),
        TurnCredentials([], 1),
    ]


async def test_answer_that_cannot_be_read_fails_its_request_and_no_other() -> None:
    unanswered = Unanswered()
    first, second = (unanswered.add("PKD_LOOKUP", answer=PkdResult) for _ in range(2))
    with pytest.raises(InvalidFrameError) as unreadable:
        decode('{"type": "PKD_RESULT", "payload": {"clientId": "alice", "publicKey": 1}}')

    assert unanswered.fail_unreadable(unreadable.value)
    assert unanswered.settle(PkdResult("bob", "two"))

    with pytest.raises(InvalidFrameError, match="publicKey"):
        await first
    assert await second == PkdResult("bob", "two")
    # Nothing is known of a frame that is no message.
    assert not unanswered.fail_unreadable(InvalidFrameError("A frame came."))


async def test_message_that_answers_nothing_is_an_event() -> None:
    unanswered = Unanswered()
    waiting = unanswered.add("PKD_LOOKUP", answer=PkdResult)

    assert not unanswered.settle(CallEnded("one"))
    assert not unanswered.settle(Error("CALL_NOT_FOUND", "No.", request="ICE_CANDIDATE", call_id="one"))
    assert not waiting.done()


async def test_later_answer_settles_silent_requests_before_it() -> None:
    unanswered = Unanswered()
    call = unanswered.add("CALL_INITIATE", call_id="one")
    unanswered.add("HEARTBEAT", answer=HeartbeatAck)
    later = unanswered.add("CALL_END", call_id="two")

    assert unanswered.settle(ACK)

    assert await call is None
    assert not later.done()


async def test_heartbeat_that_is_refused_settles_silent_requests_before_it() -> None:
    unanswered = Unanswered()
    call = unanswered.add("CALL_INITIATE", call_id="one")
    unanswered.add("HEARTBEAT", answer=HeartbeatAck)

    assert unanswered.settle(Error("RATE_LIMITED", "Slow down.", request="HEARTBEAT", retry_after_ms=100))

    assert await call is None


async def test_error_settles_the_request_and_the_call_that_it_names() -> None:
    unanswered = Unanswered()
    first, second = (unanswered.add("CALL_END", call_id=call_id) for call_id in ("one", "two"))
    unanswered.add("HEARTBEAT", answer=HeartbeatAck)

    assert unanswered.settle(
        Error("RATE_LIMITED", "Slow down.", request="CALL_END", call_id="two", retry_after_ms=1500)
    )

    with pytest.raises(RequestError) as refused:
        await second
    assert (refused.value.call_id, refused.value.retry_after) == ("two", 1.5)
    assert await first is None


async def test_error_without_a_request_is_for_the_oldest_that_is_no_heartbeat() -> None:
    unanswered = Unanswered()
    unanswered.add("HEARTBEAT", answer=HeartbeatAck)
    assert not unanswered.settle(Error("INVALID_MESSAGE", "Too long."))
    oldest = unanswered.add("CALL_INITIATE", call_id="one")
    other = unanswered.add("PKD_LOOKUP", answer=PkdResult)

    assert unanswered.settle(Error("INVALID_MESSAGE", "Too long."))

    with pytest.raises(RequestError):
        await oldest
    assert not other.done()


async def test_request_that_was_given_up_keeps_its_place() -> None:
    unanswered = Unanswered()
    given_up = unanswered.add("PKD_LOOKUP", answer=PkdResult)
    waiting = unanswered.add("PKD_LOOKUP", answer=PkdResult)
    given_up.cancel()

    assert unanswered.settle(PkdResult("alice", "one"))
    assert not waiting.done()


async def test_lost_connection_fails_all() -> None:
    unanswered = Unanswered()
    requests = unanswered.add("PKD_LOOKUP", answer=PkdResult), unanswered.add("CALL_END", call_id="one")

    unanswered.fail(ClosedError(1012, "service restart"))

    for request in requests:
        with pytest.raises(ClosedError, match="1012 service restart"):
            await request
    assert not unanswered.settle(ACK)
