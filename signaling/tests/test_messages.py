import json
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from pkd.tests.samples import KEYS
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
from signaling.protocol.messages import (
    CLIENT_MESSAGES,
    MAX_FRAME_BYTES,
    MAX_NESTING,
    SERVER_MESSAGES,
    CallAccept,
    CallAccepted,
    CallEnd,
    CallEnded,
    CallInitiate,
    CallReject,
    CallRejected,
    ClientMessage,
    Error,
    FreshTurnCredentials,
    Heartbeat,
    HeartbeatAck,
    IceCandidate,
    IncomingCall,
    PeerIceCandidate,
    PkdLookup,
    PkdRegister,
    PkdResult,
    Register,
    Registered,
    ServerMessage,
    TurnCredentials,
    decode_envelope,
    decode_payload,
    error_for,
    named_in,
    or_unset,
)

CALL = "call-of-this-test"


def decode(frame: str) -> ClientMessage:
    return decode_payload(decode_envelope(frame))


def frame(message_type: Any, **payload: Any) -> str:
    return json.dumps({"type": message_type, "payload": payload})


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


def test_optional_field_that_is_null_was_not_given() -> None:
    assert or_unset(None) is UNSET
    assert or_unset(UNSET) is UNSET
    assert or_unset("") == ""


NO_ENVELOPE = [
    "",
    " ",
    "{",
    "nonsense",
    "null",
    "true",
    "1",
    '"HEARTBEAT"',
    "[]",
    '[{"type": "HEARTBEAT"}]',
    "{}",
    '{"payload": {}}',
    '{"type": null}',
    '{"type": 7}',
    '{"type": ["HEARTBEAT"]}',
    '{"type": ""}',
    '{"type": "heartbeat"}',
    '{"type": "HEARTBEAT "}',
    '{"type": "__proto__"}',
    '{"type": "constructor", "payload": {}}',
    '{"type": "REGISTERED", "payload": {"clientId": "alice", "iceServers": []}}',
    '{"type": "HEARTBEAT"}{"type": "HEARTBEAT"}',
    "{'type': 'HEARTBEAT'}",
    '{"type": "HEARTBEAT", }',
    '{"type": "HEARTBEAT", "x": NaN}',
    '{"type": "HEARTBEAT", "x": Infinity}',
    '{"type": "HEARTBEAT", "payload": {"x": -Infinity}}',
    '{"type": "HEARTBEAT", "x": 01}',
    '{"type": "HEARTBEAT", "x": "\\ud800"}',
    '{"type": "HEARTBEAT", "x": "\\x"}',
    '{"type": "HEARTBEAT", "x": "\n"}',
    '\ufeff{"type": "HEARTBEAT"}',
    "\x00",
    "[" * 60_000,
    '{"type": "HEARTBEAT", "payload": ' + '{"a":' * 3000 + "1" + "}" * 3000 + "}",
    '{"type": "HEARTBEAT", "x": ' + "[" * 3000 + "]" * 3000 + "}",
]


@pytest.mark.parametrize("text", NO_ENVELOPE, ids=lambda text: repr(text[:40]))
def test_decode_of_what_is_no_message_is_invalid(text: str) -> None:
    with pytest.raises(InvalidMessageError):
        decode(text)


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


# Every character has one shortest form in JSON (RFC 8259, section 7), and an answer uses it.
ANY_KEY = st.text(min_size=1) | st.sampled_from([*KEYS.values(), "\x01" * 10_911, "\x7f" * 16_384, '\\"' * 8_192])


@given(ANY_KEY)
def test_answer_with_a_key_is_shorter_than_any_message_that_brings_it(key: str) -> None:
    message = {"type": "PKD_REGISTER", "payload": {"clientId": "alice", "publicKey": key}}
    shortest = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    answer = PkdResult("alice", key).encode()
    assert len(answer.encode()) == len(shortest.encode()) - len("PKD_REGISTER") + len("PKD_RESULT")


@pytest.mark.parametrize("letter", ["x", "\u00e9", "\u20ac", "\U0001f600"])
def test_decode_counts_bytes(letter: str) -> None:
    empty = len('{"type":"HEARTBEAT","x":""}')
    room = MAX_FRAME_BYTES - empty
    size = len(letter.encode())
    text = letter * (room // size) + "x" * (room % size)
    longest = f'{{"type":"HEARTBEAT","x":"{text}"}}'
    assert len(longest.encode()) == 65_536
    assert isinstance(decode(longest), Heartbeat)
    with pytest.raises(InvalidMessageError, match="65,536"):
        decode(f"{longest} ")


# --- Whatever comes ----------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(["callId", "targetId", "clientId", "sdpOffer", "sdpAnswer", "candidate", "publicKey", "reason"])
PAYLOADS = st.dictionaries(NAMES | st.text(), JSON | st.just(CALL), max_size=5) | JSON
FRAMES = st.builds(
    lambda message_type, payload: json.dumps({"type": message_type, "payload": payload}),
    st.sampled_from(sorted(CLIENT_MESSAGES)) | st.text(),
    PAYLOADS,
)


def decode_safely(text: str) -> None:
    try:
        message = decode(text)
    except ProtocolError as refused:
        error = refused
    else:
        assert type(message) in CLIENT_MESSAGES.values()
        return
    assert error.code is ErrorCode.INVALID_MESSAGE
    described = json.loads(error_for(error, *named_in(text)).encode())["payload"]
    assert described["message"] == error.sentence
    assert described.keys() <= {"code", "message", "request", "callId"}
    assert all(len(described.get(name, "")) <= 64 for name in ("request", "callId"))


@given(st.text())
def test_decode_of_any_text_raises_nothing_but_protocol_errors(text: str) -> None:
    decode_safely(text)


@example("\ud800")
@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_decode_of_text_that_is_no_unicode_raises_nothing_but_protocol_errors(text: str) -> None:
    decode_safely(text)
    decode_safely(f'{{"type": "HEARTBEAT", "x": "{text}"}}')


@given(JSON)
def test_decode_of_any_json_raises_nothing_but_protocol_errors(value: Any) -> None:
    decode_safely(json.dumps(value))


@given(FRAMES)
def test_decode_of_anything_like_a_message_raises_nothing_but_protocol_errors(text: str) -> None:
    decode_safely(text)


@given(FRAMES, st.data())
def test_decode_of_a_damaged_message_raises_nothing_but_protocol_errors(text: str, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(text)))
    decode_safely(text[:position] + data.draw(st.text(max_size=3)) + text[position + data.draw(st.integers(0, 3)) :])


# What JSON can say; JSON has no number that is none.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
OPAQUE_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(TEXTS, children, max_size=4),
    max_leaves=12,
)
WRITERS = st.builds(
    lambda *, ascii_only, indent: lambda value: json.dumps(value, ensure_ascii=ascii_only, indent=indent),
    ascii_only=st.booleans(),
    indent=st.none() | st.integers(0, 3),
)


@given(TEXTS.filter(bool), WRITERS)
def test_session_descriptions_are_relayed_byte_by_byte(description: str, write: Any) -> None:
    written = write(description)
    offer = decode(f'{{"type":"CALL_INITIATE","payload":{{"targetId":"bob","sdpOffer": {written} }}}}')
    assert isinstance(offer, CallInitiate)
    incoming = IncomingCall(CALL, "alice", offer.sdp_offer, []).encode()
    assert f'"sdpOffer":{written},' in incoming
    assert json.loads(incoming)["payload"]["sdpOffer"] == description
    answer = decode(f'{{"payload":{{"sdpAnswer":\n{written}\n,"callId":"{CALL}"}},"type":"CALL_ACCEPT"}}')
    assert isinstance(answer, CallAccept)
    assert f'"sdpAnswer":{written},' in CallAccepted(CALL, answer.sdp_answer, []).encode()


@given(st.none() | TEXTS | st.dictionaries(TEXTS, OPAQUE_JSON, max_size=4), WRITERS)
def test_candidates_are_relayed_byte_by_byte(candidate: Any, write: Any) -> None:
    written = write(candidate)
    message = decode(f'{{"type":"ICE_CANDIDATE","payload":{{"callId":"{CALL}","candidate":{written}}}}}')
    assert isinstance(message, IceCandidate)
    relayed = PeerIceCandidate(CALL, message.candidate).encode()
    assert relayed == f'{{"type":"ICE_CANDIDATE","payload":{{"callId":"{CALL}","candidate":{written}}}}}'


@pytest.mark.parametrize(
    "written",
    [
        '{"a":1e999,"b":-0.0,"c":1E+2,"d":123456789012345678901234567890}',
        '{"a":1,"a":2}',
        r'"\/\u0041\ud83d\ude00"',
        '{ "a" :\t[ ] }',
        '"v=0\\r\\n  \\r\\n"',
    ],
)
def test_candidates_keep_the_spelling_that_came(written: str) -> None:
    message = decode(f'{{"type":"ICE_CANDIDATE","payload":{{"callId":"{CALL}","candidate":{written}}}}}')
    assert isinstance(message, IceCandidate)
    assert f'"candidate":{written}}}' in PeerIceCandidate(CALL, message.candidate).encode()


@given(TEXTS, WRITERS)
def test_whatever_is_relayed_as_it_came_grows_no_longer(text: str, write: Any) -> None:
    said = f'{{"type":"ICE_CANDIDATE","payload":{{"callId":"{CALL}","candidate":{write(text)}}}}}'
    message = decode(said)
    assert isinstance(message, IceCandidate)
    assert len(PeerIceCandidate(CALL, message.candidate).encode()) <= len(said)
    for letter in text:
        # Read and written anew, at most six bytes a character.
        assert len(CallEnded("x" * 64, letter * 64).encode()) < 1024


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


# --- What the server says ----------------------------------------------------------------------------------

SAID: list[tuple[ServerMessage, dict[str, Any]]] = [
    (Registered("alice", []), {"clientId": "alice", "iceServers": []}),
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


@pytest.mark.parametrize(
    ("text", "request_type", "call_id"),
    [
        (None, UNSET, UNSET),
        ("{", UNSET, UNSET),
        ("[]", UNSET, UNSET),
        ("[" * 60_000, UNSET, UNSET),
        ('{"type": 7}', UNSET, UNSET),
        ('{"type": "NONSENSE"}', "NONSENSE", UNSET),
        (frame("x" * 64, callId="y" * 64), "x" * 64, "y" * 64),
        (frame("x" * 65, callId="y" * 65), UNSET, UNSET),
        (frame("CALL_END", callId=7), "CALL_END", UNSET),
        ('{"type": "CALL_END", "payload": [1]}', "CALL_END", UNSET),
        ('{"type": "CALL_END", "payload": {"callId": "a", "reason": "secret"}}', "CALL_END", "a"),
        (frame("CALL_END", callId="z", x="x" * 70_000), UNSET, UNSET),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_error_names_the_type_and_the_call(text: str | None, request_type: Any, call_id: Any) -> None:
    assert named_in(text) == (request_type, call_id)
    assert "secret" not in error_for(CallNotFoundError(), *named_in(text)).encode()


@given(FRAMES)
def test_error_echoes_nothing_but_the_type_and_the_call(text: str) -> None:
    described = json.loads(error_for(InvalidMessageError("Sentence."), *named_in(text)).encode())["payload"]
    wanted = json.loads(text)
    payload = wanted["payload"]
    named = payload.get("callId") if isinstance(payload, dict) else None
    assert described.pop("request", wanted["type"]) == wanted["type"]
    assert described.pop("callId", named) == named
    assert described == {"code": "INVALID_MESSAGE", "message": "Sentence."}


@pytest.mark.parametrize("piece", ["[", '"', "\\", '"\\', '"[":', '{"', '"\\"', "[]", '{"a":'])
def test_decode_takes_time_in_proportion_to_the_size(piece: str) -> None:
    frame = "[" * (MAX_NESTING + 1) + piece * ((MAX_FRAME_BYTES - MAX_NESTING - 1) // len(piece))
    start = time.process_time()
    with pytest.raises(InvalidMessageError):
        decode_envelope(frame)
    assert time.process_time() - start < 0.05


@pytest.mark.parametrize("deep", ["[" * 255 + "]" * 255, '{"a":' * 255 + "1" + "}" * 255])
def test_decode_takes_256_levels_and_no_more(deep: str) -> None:
    decode_envelope(f'{{"type":"HEARTBEAT","payload":{deep}}}')
    with pytest.raises(InvalidMessageError):
        decode_envelope(f'{{"type":"HEARTBEAT","payload":[{deep}]}}')


def test_decode_counts_no_brackets_in_strings() -> None:
    brackets = "[{" * 1000
    decode_envelope(f'{{"type":"HEARTBEAT","payload":{{"a\\"{brackets}":"{brackets}"}}}}')
