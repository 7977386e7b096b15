"""Frames and messages; they are held to the server's own."""

import json
from typing import Any

import msgspec
import pytest

from securecall_client import (
    CallAccepted,
    CallEnd,
    CallInitiate,
    Error,
    IceCandidate,
    IceServer,
    InvalidFrameError,
    OpenCall,
    Registered,
    Unknown,
)
from securecall_client.codec import CLIENT_MESSAGES, SERVER_MESSAGES, decode, encode, name_of
from signaling.protocol import client_messages, server_messages


def frame(message_type: Any, payload: Any) -> str:
    return json.dumps({"type": message_type, "payload": payload})


def fields(message: Any) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(message)}


@pytest.mark.parametrize("name", client_messages.CLIENT_MESSAGES)
def test_client_can_send_what_the_server_knows(name: str) -> None:
    (known,) = (message for message, its_name in CLIENT_MESSAGES.items() if its_name == name)

    assert fields(known) >= fields(client_messages.CLIENT_MESSAGES[name])


@pytest.mark.parametrize("message", server_messages.SERVER_MESSAGES)
def test_client_reads_every_field_that_the_server_sends(message: type[server_messages.ServerMessage]) -> None:
    name = server_messages.SERVER_MESSAGES[message]

    assert fields(SERVER_MESSAGES[name]) >= fields(message)
    assert name_of(SERVER_MESSAGES[name]) == name


def test_optional_fields_are_left_out_and_null_candidates_are_not() -> None:
    assert json.loads(encode(CallInitiate("bob", "v=0"))) == {
        "type": "CALL_INITIATE",
        "payload": {"targetId": "bob", "sdpOffer": "v=0"},
    }
    assert json.loads(encode(CallEnd("one", "bye")))["payload"] == {"callId": "one", "reason": "bye"}
    assert json.loads(encode(IceCandidate("one", None)))["payload"] == {"callId": "one", "candidate": None}


@pytest.mark.parametrize("candidate", ["candidate:1", "", None, {"candidate": "ü \u2028", "sdpMLineIndex": 0}])
def test_candidate_arrives_as_it_was_sent(candidate: Any) -> None:
    assert decode(encode(IceCandidate("one", candidate))) == IceCandidate("one", candidate)


def test_additive_fields_may_be_absent_or_there() -> None:
    assert decode(frame("CALL_ACCEPTED", {"callId": "one", "sdpAnswer": "v=0"})) == CallAccepted("one", "v=0")
    assert decode(frame("ERROR", {"code": "NEW_CODE"})) == Error("NEW_CODE")
    call = {"callId": "one", "peerId": "bob", "role": "caller", "state": "ringing", "since": 7}
    registered = {"clientId": "alice", "iceServers": [{"urls": "stun:a", "priority": 1}], "calls": [call], "more": {}}
    assert decode(frame("REGISTERED", registered)) == Registered(
        "alice", [IceServer("stun:a")], [OpenCall("one", "bob", "caller", "ringing")]
    )


def test_urls_of_an_ice_server_are_one_or_many() -> None:
    assert IceServer("turn:a").all_urls == ["turn:a"]
    assert IceServer(["turn:a", "turn:b"]).all_urls == ["turn:a", "turn:b"]


def test_type_that_is_not_known_is_no_error() -> None:
    assert decode(frame("WELCOME", {"to": "all"})) == Unknown("WELCOME")
    assert name_of(Unknown("WELCOME")) == "WELCOME"
    assert decode(frame("CALL_INITIATE", {})) == Unknown("CALL_INITIATE")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "7",
        "null",
        "[]",
        "{}",
        '{"type": 7}',
        '{"type": "ERROR", "payload"',
        "[" * 100_000,
        '{"type": "\ud800"}',
    ],
)
def test_frame_that_is_no_message_is_an_error(text: str) -> None:
    with pytest.raises(InvalidFrameError, match="no message of the protocol: is this a SecureCall server"):
        decode(text)


def test_binary_frame_is_an_error() -> None:
    with pytest.raises(InvalidFrameError, match="messages are text"):
        decode(b'{"type": "HEARTBEAT_ACK", "payload": {}}')


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        ({}, "ERROR came without code."),
        ({"code": "X", "message": 7}, "The message of ERROR is not of the protocol's type."),
        ({"code": 7, "message": "secret"}, "The code of ERROR is not of the protocol's type."),
        ({"code": "X", "message": "secret", "retryAfterMs": "7"}, "The retryAfterMs of ERROR is not of the"),
        (["secret"], "ERROR came with a payload that is no object."),
        (None, "ERROR came with a payload that is no object."),
    ],
)
def test_wrong_field_is_named_without_its_value(payload: Any, says: str) -> None:
    with pytest.raises(InvalidFrameError, match=says) as refused:
        decode(frame("ERROR", payload))

    assert "secret" not in str(refused.value)
