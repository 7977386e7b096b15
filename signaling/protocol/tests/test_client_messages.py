import json
from typing import Any

import pytest
from msgspec import Raw

from pkd.tests.samples import KEYS
from signaling.protocol.client_messages import (
    CLIENT_MESSAGES,
    CallAccept,
    CallEnd,
    CallInitiate,
    CallReject,
    ClientMessage,
    Heartbeat,
    IceCandidate,
    PkdLookup,
    PkdRegister,
    Register,
    TurnCredentials,
)
from signaling.protocol.errors import (
    InvalidMessageError,
)
from signaling.protocol.tests.frames import CALL, decode, frame

GOOD: list[tuple[str, dict[str, Any], ClientMessage]] = [
    ("REGISTER", {"clientId": "alice_1-A"}, Register("alice_1-A")),
    ("HEARTBEAT", {}, Heartbeat()),
    ("CALL_INITIATE", {"targetId": "bob", "sdpOffer": "v=0"}, CallInitiate("bob", Raw(b'"v=0"'))),
    (
        "CALL_INITIATE",
        {"targetId": "bob", "sdpOffer": "v=0", "callId": CALL},
        CallInitiate("bob", Raw(b'"v=0"'), CALL),
    ),
    ("CALL_INITIATE", {"targetId": "bob", "sdpOffer": "v=0", "callId": None}, CallInitiate("bob", Raw(b'"v=0"'), None)),
    ("CALL_ACCEPT", {"callId": CALL, "sdpAnswer": "v=0"}, CallAccept(CALL, Raw(b'"v=0"'))),
    ("CALL_REJECT", {"callId": CALL}, CallReject(CALL)),
    ("CALL_REJECT", {"callId": CALL, "reason": "busy"}, CallReject(CALL, "busy")),
    ("CALL_END", {"callId": CALL}, CallEnd(CALL)),
    ("CALL_REJECT", {"callId": CALL, "reason": None}, CallReject(CALL, None)),
    ("CALL_END", {"callId": CALL, "reason": ""}, CallEnd(CALL, "")),
    ("CALL_END", {"callId": CALL, "reason": None}, CallEnd(CALL, None)),
    ("ICE_CANDIDATE", {"callId": CALL, "candidate": ""}, IceCandidate(CALL, Raw(b'""'))),
    ("ICE_CANDIDATE", {"callId": CALL, "candidate": {}}, IceCandidate(CALL, Raw(b"{}"))),
    ("ICE_CANDIDATE", {"callId": CALL, "candidate": None}, IceCandidate(CALL, Raw(b"null"))),
    ("PKD_REGISTER", {"clientId": "alice", "publicKey": "k"}, PkdRegister("alice", "k")),
    ("PKD_LOOKUP", {"clientId": "alice"}, PkdLookup("alice")),
    ("TURN_CREDENTIALS", {}, TurnCredentials()),
]


@pytest.mark.parametrize(("message_type", "payload", "message"), GOOD)
def test_decode_of_a_message(message_type: str, payload: dict[str, Any], message: ClientMessage) -> None:
    decoded = decode(frame(message_type, **payload))
    assert type(decoded) is type(message)
    for name in message.__struct_fields__:
        assert plain(getattr(decoded, name)) == plain(getattr(message, name))
    assert type(decode(frame(message_type, **payload, extra={"deep": [1, None]}))) is type(message)


def plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, Raw) else value


def test_decode_covers_every_type() -> None:
    assert {message_type for message_type, *_ in GOOD} == set(CLIENT_MESSAGES)
    assert all(message.usage.startswith(name) for name, message in CLIENT_MESSAGES.items())


def test_decode_ignores_extra_keys_and_takes_a_missing_payload() -> None:
    assert isinstance(decode('{"type": "HEARTBEAT"}'), Heartbeat)
    assert isinstance(decode(' {"id": 7, "payload": {}, "type": "TURN_CREDENTIALS"} '), TurnCredentials)


@pytest.mark.parametrize("payload", ["null", " null\n"])
def test_decode_takes_null_for_a_payload_that_needs_nothing(payload: str) -> None:
    assert isinstance(decode(f'{{"type":"HEARTBEAT","payload":{payload}}}'), Heartbeat)
    assert isinstance(decode(f'{{"payload":{payload},"type":"TURN_CREDENTIALS"}}'), TurnCredentials)


@pytest.mark.parametrize("message_type", sorted(CLIENT_MESSAGES.keys() - {"HEARTBEAT", "TURN_CREDENTIALS"}))
def test_decode_of_null_where_something_is_needed_says_what(message_type: str) -> None:
    with pytest.raises(InvalidMessageError) as invalid:
        decode(f'{{"type":"{message_type}","payload":null}}')
    assert invalid.value.sentence == CLIENT_MESSAGES[message_type].usage


BAD_CLIENT_IDS = ["", "x" * 65, "bob\n", "b b", "b\u00f6b", "bob\x00", "../bob", None, 7, True, ["bob"], {"a": 1}]
# The first of them is what an optional field may be.
NO_STRINGS: list[Any] = [None, 7, 1.5, True, [], ["v=0"], {}]
OPAQUE_STRINGS = [*NO_STRINGS, "", {"type": "offer", "sdp": "v=0"}]
BAD_CANDIDATES = [7, 1.5, True, False, [], ["candidate"]]
BAD_REASONS = [7, "x" * 65, ["busy"]]

BAD_PAYLOADS: list[tuple[str, dict[str, Any]]] = [
    *(("REGISTER", {"clientId": value}) for value in BAD_CLIENT_IDS),
    ("REGISTER", {}),
    ("REGISTER", {"clientid": "alice"}),
    *(("CALL_INITIATE", {"targetId": value, "sdpOffer": "v=0"}) for value in BAD_CLIENT_IDS),
    *(("CALL_INITIATE", {"targetId": "bob", "sdpOffer": value}) for value in OPAQUE_STRINGS),
    *(("CALL_INITIATE", {"targetId": "bob", "sdpOffer": "v=0", "callId": value}) for value in NO_STRINGS[1:]),
    ("CALL_INITIATE", {"targetId": "bob"}),
    ("CALL_INITIATE", {"sdpOffer": "v=0"}),
    *(("CALL_ACCEPT", {"callId": CALL, "sdpAnswer": value}) for value in OPAQUE_STRINGS),
    *(("CALL_ACCEPT", {"callId": value, "sdpAnswer": "v=0"}) for value in NO_STRINGS),
    ("CALL_ACCEPT", {"callId": CALL}),
    *((name, {"callId": value}) for name in ("CALL_REJECT", "CALL_END") for value in NO_STRINGS),
    *((name, {"callId": CALL, "reason": value}) for name in ("CALL_REJECT", "CALL_END") for value in BAD_REASONS),
    ("CALL_REJECT", {}),
    ("CALL_END", {}),
    *(("ICE_CANDIDATE", {"callId": CALL, "candidate": value}) for value in BAD_CANDIDATES),
    ("ICE_CANDIDATE", {"callId": CALL}),
    ("ICE_CANDIDATE", {"candidate": ""}),
    *(("PKD_REGISTER", {"clientId": value, "publicKey": "k"}) for value in BAD_CLIENT_IDS),
    ("PKD_REGISTER", {"publicKey": "k"}),
    ("PKD_REGISTER", {}),
    *(("PKD_LOOKUP", {"clientId": value}) for value in BAD_CLIENT_IDS),
]


@pytest.mark.parametrize(("message_type", "payload"), BAD_PAYLOADS)
def test_decode_of_a_wrong_payload_says_what_the_message_needs(message_type: str, payload: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessageError) as invalid:
        decode(frame(message_type, **payload))
    assert invalid.value.sentence == CLIENT_MESSAGES[message_type].usage


@pytest.mark.parametrize("message_type", CLIENT_MESSAGES)
@pytest.mark.parametrize("payload", ["[]", "1", '"text"', "true", '"null"', '""'])
def test_decode_of_a_payload_that_is_no_object_is_invalid(message_type: str, payload: str) -> None:
    with pytest.raises(InvalidMessageError):
        decode(f'{{"type": "{message_type}", "payload": {payload}}}')


@pytest.mark.parametrize("length", [1, 64])
def test_decode_takes_client_ids_to_the_last_letter(length: int) -> None:
    message = decode(frame("REGISTER", clientId="x" * length))
    assert isinstance(message, Register)
    assert message.client_id == "x" * length


@pytest.mark.parametrize("value", [*map(json.dumps, NO_STRINGS), "1e999", "1" * 5_000])
@pytest.mark.parametrize("client_id", ["alice", "not an ID", None])
def test_decode_of_a_key_that_is_no_string_names_it(client_id: str | None, value: str) -> None:
    payload = f'{{"clientId": {json.dumps(client_id)}, "publicKey": {value}}}'
    if (client_id, value) == ("alice", "null"):
        # A statement may publish none; without one the handler says the same.
        assert decode(f'{{"type": "PKD_REGISTER", "payload": {payload}}}') == PkdRegister("alice", None)
        return
    with pytest.raises(InvalidMessageError, match=r"^publicKey is not a string;"):
        decode(f'{{"type": "PKD_REGISTER", "payload": {payload}}}')


def test_decode_without_a_key_says_that_it_is_missing() -> None:
    with pytest.raises(InvalidMessageError, match=r"^publicKey is missing;"):
        decode(frame("PKD_REGISTER", clientId="alice", publickey="k"))


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_decode_leaves_keys_as_they_are(key: str) -> None:
    payload = {"clientId": "alice", "publicKey": key}
    for ensure_ascii in (True, False):
        message = decode(json.dumps({"type": "PKD_REGISTER", "payload": payload}, ensure_ascii=ensure_ascii))
        assert isinstance(message, PkdRegister)
        assert message.public_key == key
