import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from pkd.tests.samples import KEYS
from signaling.protocol.calls import Role, State
from signaling.protocol.decoding import named_in
from signaling.protocol.errors import (
    CallNotFoundError,
    ErrorCode,
    InvalidMessageError,
    NotRegisteredError,
    ProtocolError,
    RateLimitedError,
    TargetNotFoundError,
    UnavailableError,
)
from signaling.protocol.fields import MAX_FRAME_BYTES
from signaling.protocol.listed import RegisteredCall
from signaling.protocol.server_messages import (
    SERVER_MESSAGES,
    CallAccepted,
    CallEnded,
    CallRejected,
    Error,
    FreshTurnCredentials,
    HeartbeatAck,
    IncomingCall,
    PeerIceCandidate,
    PkdResult,
    Registered,
    ServerMessage,
    error_for,
)
from signaling.protocol.tests.frames import CALL, frame

# Every character has one shortest form in JSON (RFC 8259, section 7), and an answer uses it.
ANY_KEY = st.text(min_size=1) | st.sampled_from([*KEYS.values(), "\x01" * 10_911, "\x7f" * 16_384, '\\"' * 8_192])


@given(ANY_KEY)
def test_answer_with_a_key_is_shorter_than_any_message_that_brings_it(key: str) -> None:
    message = {"type": "PKD_REGISTER", "payload": {"clientId": "alice", "publicKey": key}}
    shortest = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    answer = PkdResult("alice", key).encode()
    assert len(answer.encode()) == len(shortest.encode()) - len("PKD_REGISTER") + len("PKD_RESULT")


SERVERS = [{"urls": "turn:relay.example.com", "username": "alice", "credential": "secret"}]


def described(size: int, servers: Any = UNSET) -> list[IncomingCall | CallAccepted]:
    """Messages with a session description whose frames are so many bytes long."""
    made: list[IncomingCall | CallAccepted] = [
        IncomingCall(CALL, "alice", Raw(b'""'), servers),
        CallAccepted(CALL, Raw(b'""'), servers),
    ]
    for message in made:
        written = Raw(b'"' + b"x" * (size - len(message.encode())) + b'"')
        if isinstance(message, IncomingCall):
            message.sdp_offer = written
        else:
            message.sdp_answer = written
    return made


@pytest.mark.parametrize("size", [MAX_FRAME_BYTES - 1, MAX_FRAME_BYTES, MAX_FRAME_BYTES + 1])
def test_ice_servers_are_left_out_of_a_frame_that_is_too_long_with_them(size: int) -> None:
    for message in described(size, SERVERS):
        message.check_size()
        frame = message.encode()
        assert len(frame) <= MAX_FRAME_BYTES
        assert ("iceServers" in json.loads(frame)["payload"]) == (size <= MAX_FRAME_BYTES)
        assert message.ice_servers == SERVERS


def test_check_of_the_size_is_exact_and_leaves_ice_servers_aside() -> None:
    for size in (1000, MAX_FRAME_BYTES - 1, MAX_FRAME_BYTES):
        for message in described(size):
            message.check_size()
            message.ice_servers = SERVERS * 1000
            message.check_size()
    for message in described(MAX_FRAME_BYTES + 1):
        message.ice_servers = []
        with pytest.raises(InvalidMessageError, match="65,536"):
            message.check_size()


SAID: list[tuple[ServerMessage, dict[str, Any]]] = [
    (Registered("alice", []), {"clientId": "alice", "iceServers": []}),
    (
        Registered("alice", [], [RegisteredCall(CALL, "bob", Role.CALLEE, State.RINGING)]),
        {
            "clientId": "alice",
            "iceServers": [],
            "calls": [{"callId": CALL, "peerId": "bob", "role": "callee", "state": "ringing"}],
        },
    ),
    (HeartbeatAck(), {}),
    (
        IncomingCall(CALL, "alice", Raw(b'"v=0"'), [{"urls": "turn:x"}]),
        {"callId": CALL, "callerId": "alice", "sdpOffer": "v=0", "iceServers": [{"urls": "turn:x"}]},
    ),
    (CallAccepted(CALL, Raw(b'"v=0"'), []), {"callId": CALL, "sdpAnswer": "v=0", "iceServers": []}),
    (CallRejected(CALL), {"callId": CALL}),
    (CallRejected(CALL, "busy"), {"callId": CALL, "reason": "busy"}),
    (CallEnded(CALL), {"callId": CALL}),
    (CallEnded(CALL, ""), {"callId": CALL, "reason": ""}),
    (PeerIceCandidate(CALL, Raw(b'""')), {"callId": CALL, "candidate": ""}),
    (PkdResult("alice", None), {"clientId": "alice", "publicKey": None}),
    (PkdResult("alice", "\u00e9\u2028"), {"clientId": "alice", "publicKey": "\u00e9\u2028"}),
    (FreshTurnCredentials([], 7), {"iceServers": [], "expiresAt": 7}),
    (Error(ErrorCode.RATE_LIMITED, "Wait."), {"code": "RATE_LIMITED", "message": "Wait."}),
]


@pytest.mark.parametrize(("message", "payload"), SAID)
def test_encode_of_a_message(message: ServerMessage, payload: dict[str, Any]) -> None:
    assert json.loads(message.encode()) == {"type": SERVER_MESSAGES[type(message)], "payload": payload}


def test_encode_covers_every_type() -> None:
    assert {type(message) for message, _ in SAID} == set(SERVER_MESSAGES)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidMessageError("Send something else."), "INVALID_MESSAGE"),
        (NotRegisteredError(), "NOT_REGISTERED"),
        (TargetNotFoundError(), "TARGET_NOT_FOUND"),
        (CallNotFoundError(), "CALL_NOT_FOUND"),
        (RateLimitedError("Wait.", 2.5), "RATE_LIMITED"),
        (UnavailableError(), "RATE_LIMITED"),
    ],
)
def test_error_says_what_failed(error: ProtocolError, code: str) -> None:
    described = error_for(error, *named_in(frame("CALL_END", callId=CALL)))
    assert (described.code, described.message) == (code, error.sentence)
    assert (described.request, described.call_id) == ("CALL_END", CALL)
    assert error.sentence[0].isupper()
    assert error.sentence.endswith(".")
    assert (described.retry_after_ms is UNSET) == (code != "RATE_LIMITED")


@pytest.mark.parametrize(("seconds", "milliseconds"), [(2.5, 2500), (0.0001, 1), (1, 1000), (60, 60_000)])
def test_error_says_how_long_to_wait(seconds: float, milliseconds: int) -> None:
    assert error_for(RateLimitedError("Wait.", seconds)).retry_after_ms == milliseconds
