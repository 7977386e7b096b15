import json
from typing import Any

import pytest

from tests.conftest import MEMORY_TARGETS, Join
from tests.support.people import CANDIDATE, OFFER, Person, Target, frame

# What follows happens before any registry is asked.
pytestmark = pytest.mark.parametrize("target", MEMORY_TARGETS, indirect=True)

LIMIT_BYTES = 65_536
DEPTH = 3_000
DIGITS_300 = "7" * 300

NOT_A_MESSAGE: dict[str, str | bytes] = {
    "binary": frame("HEARTBEAT").encode(),
    "binary and empty": b"",
    "binary and not text": b"\xff\xfe\x00",
    "empty": "",
    "blank": " \r\n\t",
    "words": "hello",
    "an open brace": "{",
    "cut short": frame("HEARTBEAT")[:-1],
    "two objects": frame("HEARTBEAT") * 2,
    "a trailing comma": '{"type":"HEARTBEAT",}',
    "single quotes": "{'type':'HEARTBEAT'}",
    "a comment": '{"type":"HEARTBEAT"/**/}',
    "a byte order mark": "\ufeff" + frame("HEARTBEAT"),
    "null": "null",
    "true": "true",
    "a number": "17",
    "a string": '"HEARTBEAT"',
    "an array": '["HEARTBEAT"]',
    "an array of messages": f"[{frame('HEARTBEAT')}]",
    "an empty object": "{}",
    "no type": '{"payload":{}}',
    "a number of 300 digits": DIGITS_300,
    "NaN": '{"type":"HEARTBEAT","payload":{"a":NaN}}',
    "Infinity": '{"type":"HEARTBEAT","payload":{"a":Infinity}}',
    "-Infinity": '{"type":"HEARTBEAT","payload":{"a":-Infinity}}',
    "NaN beside the payload": '{"type":"HEARTBEAT","extra":NaN}',
    "a lone surrogate": r'{"type":"HEARTBEAT","payload":{"a":"\ud800"}}',
    "a lone low surrogate": r'{"type":"HEARTBEAT","payload":{"a":"\udc00x"}}',
    "a lone surrogate as a key": r'{"type":"HEARTBEAT","payload":{"\ud800":1}}',
    "a lone surrogate beside the payload": r'{"type":"HEARTBEAT","extra":"\ud83d"}',
    "an unknown escape": r'{"type":"HEARTBEAT","payload":{"a":"\q"}}',
    "a control character": '{"type":"HEARTBEAT","payload":{"a":"\n"}}',
    "a leading zero": '{"type":"HEARTBEAT","payload":{"a":01}}',
    "nested arrays": f'{{"type":"HEARTBEAT","payload":{{"a":{"[" * DEPTH}{"]" * DEPTH}}}}}',
    "nested arrays beside the payload": f'{{"type":"HEARTBEAT","extra":{"[" * DEPTH}{"]" * DEPTH}}}',
    "nested objects": '{"a":' * DEPTH + "1" + "}" * DEPTH,
    "open brackets": "[" * LIMIT_BYTES,
}

UNKNOWN_TYPES: list[Any] = [
    *("", "NOPE", "register", "Register", "REGISTER ", "REGISTER\n", "__proto__", "constructor", "__class__", "🙂"),
    # The server's own.
    *("REGISTERED", "INCOMING_CALL", "CALL_ACCEPTED", "CALL_ENDED", "PKD_RESULT", "ERROR", "HEARTBEAT_ACK"),
    *(0, 17, -1, 1.5, True, None, [], ["REGISTER"], {}, {"REGISTER": 1}),
]

CALL = "a-call-id-of-a-client"


def lacking(message_type: str, payloads: list[Any]) -> list[tuple[str, Any]]:
    """Messages of a type whose payload is not what it needs."""
    return [(message_type, payload) for payload in payloads]


def mistyped(message_type: str, payload: dict[str, Any], field: str, values: list[Any]) -> list[tuple[str, Any]]:
    """Messages of a type with one field wrong."""
    return [(message_type, payload | {field: value}) for value in values]


INITIATE = {"targetId": "x", "sdpOffer": OFFER}
ACCEPT = {"callId": CALL, "sdpAnswer": OFFER}
ICE = {"callId": CALL, "candidate": CANDIDATE}
WRONG_FIELDS = [
    *lacking("REGISTER", [{}, None, [], "x", 7, True, {"clientid": "x"}, {"client_id": "x"}]),
    *lacking("CALL_INITIATE", [{}, {"targetId": "x"}, {"sdpOffer": OFFER}]),
    *mistyped("CALL_INITIATE", INITIATE, "targetId", [7, None, "", "x" * 65, "bob\n", ["x"]]),
    *mistyped("CALL_INITIATE", INITIATE, "sdpOffer", ["", None, 7, True, {}, {"sdp": OFFER}, []]),
    *mistyped("CALL_INITIATE", INITIATE, "callId", [7, {}, [], True, ""]),
    *lacking("CALL_ACCEPT", [{}, {"callId": CALL}, {"sdpAnswer": OFFER}]),
    *mistyped("CALL_ACCEPT", ACCEPT, "sdpAnswer", ["", None, 7, {}, ["v=0"]]),
    *mistyped("CALL_ACCEPT", ACCEPT, "callId", [7, None, {}]),
    *lacking("CALL_REJECT", [{}, {"callId": 7}, {"callId": None}]),
    *mistyped("CALL_REJECT", {"callId": CALL}, "reason", [7, {}, ["busy"], "x" * 65]),
    *lacking("CALL_END", [{}, {"callId": 7}, {"callId": None}]),
    *mistyped("CALL_END", {"callId": CALL}, "reason", [7, {}, ["busy"], "x" * 65]),
    *lacking("ICE_CANDIDATE", [{}, {"callId": CALL}, {"candidate": CANDIDATE}]),
    *mistyped("ICE_CANDIDATE", ICE, "candidate", [7, True, [], [CANDIDATE]]),
    *mistyped("ICE_CANDIDATE", ICE, "callId", [7, None]),
    *lacking("PKD_REGISTER", [{}, {"clientId": "x"}, {"publicKey": "x"}]),
    *mistyped("PKD_REGISTER", {"clientId": "x"}, "publicKey", ["", 7, None, {}, ["x"]]),
    *lacking("PKD_LOOKUP", [{}, {"clientId": 7}, {"clientId": None}, {"clientId": "bob\n"}]),
]
OPAQUE = [r'"v=0\ud800"', r'"v=0\q"', '"v=0\r\n"', r'"v=0\u12G4"', '{"candidate":"x","a":NaN}', '{"a":01}', '{"a":}']


def sized(size: int, filling: str = "x") -> str:
    """A HEARTBEAT of exactly `size` bytes."""
    empty = frame("HEARTBEAT", {"filling": ""}).replace(" ", "")
    missing = size - len(empty)
    width = len(filling.encode())
    text = filling * (missing // width) + "x" * (missing % width)
    result = empty.replace('""', f'"{text}"')
    assert len(result.encode()) == size
    return result


# --- What is no message -----------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", NOT_A_MESSAGE.values(), ids=NOT_A_MESSAGE)
async def test_frame_that_is_no_message_is_answered(stranger: Person, wrong: str | bytes) -> None:
    await stranger.send_raw(wrong)
    await stranger.expects_error("INVALID_MESSAGE")
    await stranger.expects_nothing_else()


@pytest.mark.parametrize("unknown", UNKNOWN_TYPES, ids=repr)
async def test_unknown_type_is_named_but_not_in_the_sentence(alice: Person, unknown: Any) -> None:
    await alice.send_raw(frame(unknown, {"callId": CALL}))
    is_named = isinstance(unknown, str)
    error = await alice.expects_error(
        "INVALID_MESSAGE", unknown if is_named else None, call_id=CALL if is_named else None
    )
    assert "NOPE" not in error["message"]
    assert CALL not in error["message"]
    await alice.expects_nothing_else()


async def test_prototype_pollution_is_an_extra_key(alice: Person) -> None:
    await alice.send_raw('{"__proto__":{"type":"REGISTER"},"type":"HEARTBEAT","payload":{"__proto__":{"a":1}}}')
    await alice.expects("HEARTBEAT_ACK")


@pytest.mark.parametrize("message_type", list(dict(WRONG_FIELDS)))
async def test_missing_or_wrong_field_is_answered(join: Join, target: Target, message_type: str) -> None:
    person = await join("person", target.here, registered=message_type != "REGISTER")
    for payload in (payload for name, payload in WRONG_FIELDS if name == message_type):
        await person.send_raw(json.dumps({"type": message_type, "payload": payload}))
        named = payload.get("callId") if isinstance(payload, dict) else None
        await person.expects_error("INVALID_MESSAGE", message_type, named if isinstance(named, str) else None)
    await person.expects_nothing_else()


@pytest.mark.parametrize("message_type", ["REGISTER", "CALL_INITIATE", "ICE_CANDIDATE", "CALL_END", "PKD_LOOKUP"])
async def test_missing_payload_is_answered(join: Join, target: Target, message_type: str) -> None:
    person = await join("person", target.here, registered=message_type != "REGISTER")
    await person.send_raw(json.dumps({"type": message_type}))
    await person.expects_error("INVALID_MESSAGE", message_type)


@pytest.mark.parametrize("field", ["sdpOffer", "candidate"])
@pytest.mark.parametrize("value", OPAQUE)
async def test_opaque_value_must_be_json_all_the_same(alice: Person, bob: Person, field: str, value: str) -> None:
    call_id = await alice.talks_to(bob)
    message_type = "CALL_INITIATE" if field == "sdpOffer" else "ICE_CANDIDATE"
    await alice.send_raw(
        f'{{"type":"{message_type}","payload":{{"callId":"{call_id}","targetId":"{bob.id}","{field}":{value}}}}}'
    )
    # The sentence depends on whether the frame could be read at all; that the peer hears nothing does not.
    await alice.expects("ERROR", code="INVALID_MESSAGE")
    await alice.reaches(bob, call_id)


@pytest.mark.parametrize(("message_type", "answer"), [("HEARTBEAT", "HEARTBEAT_ACK"), ("TURN_CREDENTIALS",) * 2])
async def test_payload_of_null_is_none_where_nothing_is_needed(alice: Person, message_type: str, answer: str) -> None:
    await alice.send_raw(f'{{"type":"{message_type}","payload":null}}')
    await alice.expects(answer)


async def test_optional_field_of_null_is_absent(alice: Person, bob: Person) -> None:
    await alice.send("CALL_INITIATE", targetId=bob.id, sdpOffer=OFFER, callId=None)
    call_id = (await bob.expects("INCOMING_CALL"))["callId"]
    await bob.send("CALL_REJECT", callId=call_id, reason=None)
    assert await alice.expects("CALL_REJECTED") == {"callId": call_id}
    call_id = await alice.talks_to(bob)
    await alice.send("CALL_END", callId=call_id, reason=None)
    assert await bob.expects("CALL_ENDED") == {"callId": call_id}


async def test_extra_keys_are_ignored(join: Join, target: Target) -> None:
    person = await join("person", target.here, registered=False)
    await person.send_raw(frame("REGISTER", {"clientId": person.id, "more": [1, {"deep": None}]}, id=7, version="2"))
    await person.expects("REGISTERED", clientId=person.id)


async def test_order_of_keys_and_white_space_do_not_matter(stranger: Person) -> None:
    await stranger.send_raw(f'\r\n {{ "payload" :\t{{"clientId"\n:"{stranger.id}"}} , "type" : "REGISTER" }} \n')
    await stranger.expects("REGISTERED", clientId=stranger.id)


async def test_escapes_in_keys_and_values_are_read(stranger: Person) -> None:
    await stranger.send_raw(r'{"ty\u0070e":"\u0048EARTBEAT"}')
    await stranger.expects("HEARTBEAT_ACK")


async def test_answers_are_text_frames(alice: Person) -> None:
    await alice.send("HEARTBEAT")
    assert isinstance(await alice.connection.recv(), str)


async def test_message_of_an_error_never_echoes(alice: Person) -> None:
    echo = "Zyzzyva"
    frames = [
        echo,
        frame(echo),
        frame("REGISTER", {"clientId": echo}),
        frame("REGISTER", {"clientId": f"{echo}!"}),
        frame("CALL_INITIATE", {"targetId": echo, "sdpOffer": echo}),
        frame("CALL_INITIATE", {"targetId": f"{echo}!", "sdpOffer": echo}),
        frame("CALL_INITIATE", {"targetId": echo, "sdpOffer": echo, "callId": f"{echo}-is-a-call"}),
        *[
            frame(message_type, {"callId": echo, "sdpAnswer": echo, "candidate": echo})
            for message_type in ("CALL_ACCEPT", "CALL_REJECT", "CALL_END", "ICE_CANDIDATE")
        ],
        frame("PKD_REGISTER", {"clientId": echo, "publicKey": echo}),
        frame("PKD_LOOKUP", {"clientId": f"{echo}!"}),
    ]
    for wrong in frames:
        await alice.send_raw(wrong)
        error = await alice.expects("ERROR")
        assert echo not in error["message"]
        assert echo not in error["code"]


async def test_long_names_are_not_sent_back(alice: Person) -> None:
    await alice.send_raw(frame("X" * 60_000, {"callId": "Y" * 5_000}))
    assert len(await alice.received()) < 1_000
    await alice.send("CALL_END", callId="Y" * 60_000)
    assert len(await alice.received()) < 1_000


# --- How long a message may be ----------------------------------------------------------------------


@pytest.mark.parametrize("filling", ["x", "é", "€", "🙂"])
async def test_message_of_64_kb_in_bytes_passes(stranger: Person, filling: str) -> None:
    await stranger.send_raw(sized(LIMIT_BYTES, filling))
    await stranger.expects("HEARTBEAT_ACK")


@pytest.mark.parametrize("filling", ["x", "é", "€", "🙂"])
async def test_message_of_one_byte_more_is_answered(stranger: Person, filling: str) -> None:
    await stranger.send_raw(sized(LIMIT_BYTES + 1, filling))
    await stranger.expects("ERROR", code="INVALID_MESSAGE")
    await stranger.expects_nothing_else()


async def test_message_in_fragments_is_one_message(stranger: Person) -> None:
    await stranger.connection.send(['{"type":"HEART', "", 'BEAT","payload":{', "}}"])
    await stranger.expects("HEARTBEAT_ACK")


async def test_fragments_add_up_to_the_limit(stranger: Person) -> None:
    whole = sized(LIMIT_BYTES)
    await stranger.connection.send([whole[:30_000], whole[30_000:]])
    await stranger.expects("HEARTBEAT_ACK")
    await stranger.connection.send([whole[:30_000], "x", whole[30_000:]])
    await stranger.expects("ERROR", code="INVALID_MESSAGE")
    await stranger.expects_nothing_else()


# --- After all of it --------------------------------------------------------------------------------


async def test_connection_still_places_a_call_after_all_bad_input(alice: Person, bob: Person) -> None:
    call_id = await alice.rings(bob)
    bad = [
        *NOT_A_MESSAGE.values(),
        *map(frame, UNKNOWN_TYPES),
        *(json.dumps({"type": name, "payload": payload}) for name, payload in WRONG_FIELDS),
        sized(LIMIT_BYTES + 1),
        sized(LIMIT_BYTES + 1, "🙂"),
        frame("CALL_ACCEPT", {"callId": call_id, "sdpAnswer": OFFER}),
        frame("CALL_INITIATE", {"targetId": alice.id, "sdpOffer": OFFER}),
        frame("PKD_REGISTER", {"clientId": bob.id, "publicKey": "mine"}),
    ]
    for wrong in bad:
        await alice.send_raw(wrong)
    for _ in bad:
        await alice.expects("ERROR")
    await alice.send("CALL_END", callId=call_id)
    await bob.expects("CALL_ENDED", callId=call_id)
    await alice.talks_to(bob)
