import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import UNSET

from signaling.protocol.client_messages import (
    CLIENT_MESSAGES,
    ClientMessage,
    Heartbeat,
)
from signaling.protocol.decoding import MAX_REPEATED_CHARACTERS, MOST_REPEATED, Malformed, decode_in_steps, named_in
from signaling.protocol.decoding import decode as decode_frame
from signaling.protocol.errors import (
    CallNotFoundError,
    ErrorCode,
    InvalidMessageError,
    ProtocolError,
)
from signaling.protocol.fields import MAX_FRAME_BYTES, MAX_NESTING
from signaling.protocol.server_messages import (
    error_for,
)
from signaling.protocol.tests.frames import CALL, decode, frame

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
        (frame("CALL_END", callId="z", x="x" * 70_000), "CALL_END", "z"),
        (frame("CALL_END", callId="z", x="x" * 262_144), UNSET, UNSET),
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
        decode_frame(frame)
    assert time.process_time() - start < 0.05


@pytest.mark.parametrize("deep", ["[" * 255 + "]" * 255, '{"a":' * 255 + "1" + "}" * 255])
def test_decode_takes_256_levels_and_no_more(deep: str) -> None:
    decode_frame(f'{{"type":"HEARTBEAT","payload":{deep}}}')
    with pytest.raises(InvalidMessageError):
        decode_frame(f'{{"type":"HEARTBEAT","payload":[{deep}]}}')


def test_decode_counts_no_brackets_in_strings() -> None:
    brackets = "[{" * 1000
    decode_frame(f'{{"type":"HEARTBEAT","payload":{{"a\\"{brackets}":"{brackets}"}}}}')


# --- In one pass -------------------------------------------------------------------------------------------


def outcome(decode: Callable[[str], ClientMessage | Malformed], text: str) -> object:
    """Return the message, or the sentence that the client is told."""
    try:
        found = decode(text)
    except InvalidMessageError as error:
        return error.sentence
    return (found.type, found.error.sentence) if isinstance(found, Malformed) else (found.type, found)


UNUSUAL = [
    '{"payload":{"callId":"a"},"type":"CALL_END"}',
    '{"type":"CALL_END","payload":{"callId":"a"},"payload":{"callId":"b"}}',
    '{"type":"CALL_END","payload":7,"payload":{"callId":"b"}}',
    '{"type":"CALL_END","payload":{"callId":"b"},"payload":7}',
    '{"type":"CALL_END","payload":{"callId":"a","callId":"b"}}',
    '{"type":"HEARTBEAT","type":"CALL_END","payload":{"callId":"a"}}',
    '{"type":"CALL_END","type":"HEARTBEAT","payload":{"callId":"a"}}',
    '{"type":"CALL_END","type":7,"payload":{"callId":"a"}}',
    '{"type":7,"type":"CALL_END","payload":{"callId":"a"}}',
    '{"type":"CALL_END"}',
    '{"type":"CALL_END","payload":null}',
    '{"type":"CALL_END","payload":{"callId":null}}',
    '{"type":"CALL_END","payload":{"callId":"a","reason":null,"x":{"y":[]}},"x":1}',
    '{"t\\u0079pe":"HEARTB\\u0045AT"}',
    '{"type":"HEARTBEAT","payload":null}',
    '{"type":"HEARTBEAT","payload":[]}',
    '{"type":"HEARTBEAT","payload":{"x":1}}',
    '{"type":"ICE_CANDIDATE","payload":{"callId":"a","candidate":null}}',
    '{"type":"ICE_CANDIDATE","payload":{"callId":"a","candidate":7}}',
    '{"type":"ICE_CANDIDATE","payload":{"callId":"a","candidate": {"candidate":""} }}',
    '{"type":"CALL_ACCEPT","payload":{"callId":"a","sdpAnswer":""}}',
    '{"type":"CALL_ACCEPT","payload":{"callId":"a","sdpAnswer": " "}}',
    '{"type":"REGISTER","payload":{"clientId":"bob\\n"}}',
]


@pytest.mark.parametrize("text", UNUSUAL)
def test_decode_in_one_pass_finds_what_two_steps_find(text: str) -> None:
    assert outcome(decode_frame, text) == outcome(decode_in_steps, text)


@given(FRAMES, st.data())
def test_decode_in_one_pass_finds_what_two_steps_find_in_anything(text: str, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(text)))
    damaged = text[:position] + data.draw(st.text(max_size=3)) + text[position + data.draw(st.integers(0, 3)) :]
    assert outcome(decode_frame, text) == outcome(decode_in_steps, text)
    assert outcome(decode_frame, damaged) == outcome(decode_in_steps, damaged)


def test_decode_gives_a_repeated_heartbeat_again_and_no_message_with_fields() -> None:
    heartbeat, end = '{"type":"HEARTBEAT"}', '{"type":"CALL_END","payload":{"callId":"a"}}'
    assert len(end) <= MAX_REPEATED_CHARACTERS

    assert decode_frame(heartbeat) is decode_frame(heartbeat)
    assert decode_frame(end) is not decode_frame(end)


def test_decode_repeats_so_many_frames_and_no_long_one() -> None:
    spellings = [f'{{"type":"HEARTBEAT","x":{number}}}' for number in range(MOST_REPEATED)]
    first = decode_frame(spellings[0])
    for spelling in spellings[1:]:
        decode_frame(spelling)
    decode_frame('{"type":"TURN_CREDENTIALS"}')
    long = f'{{"type":"HEARTBEAT","x":"{"x" * MAX_REPEATED_CHARACTERS}"}}'

    assert decode_frame(spellings[0]) is not first
    assert decode_frame(long) is not decode_frame(long)
