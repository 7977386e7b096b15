import asyncio
import json
import re
from typing import Any

import pytest

from tests.conftest import TARGETS, Join
from tests.support.people import ANSWER, CANDIDATE, OFFER, Person, Target, new_call_id

# Every message that names a call, as an outsider or a participant at the wrong time would send it.
ON_A_CALL: list[tuple[str, dict[str, Any]]] = [
    ("CALL_ACCEPT", {"sdpAnswer": ANSWER}),
    ("CALL_REJECT", {}),
    ("CALL_REJECT", {"reason": "busy"}),
    ("CALL_END", {}),
    ("CALL_END", {"reason": "bye"}),
    ("ICE_CANDIDATE", {"candidate": CANDIDATE}),
]
# In one process, through Redis, and on the other server.
ON_EVERY_WAY = pytest.mark.parametrize("target", ["ours-memory", "ours-redis-two", "uvicorn-memory"], indirect=True)
EVERYWHERE = pytest.mark.parametrize("target", [*TARGETS, "daphne-memory"], indirect=True)


async def refusal(person: Person, message_type: str, call_id: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The CALL_NOT_FOUND that a message about a call must get, without the call's name."""
    await person.send(message_type, callId=call_id, **payload)
    error = await person.expects_error("CALL_NOT_FOUND", message_type, call_id)
    return {**error, "callId": None}


# --- A call from its beginning to its end -----------------------------------------------------------


@EVERYWHERE
async def test_call_by_the_reference(alice: Person, bob: Person) -> None:
    await alice.send("CALL_INITIATE", targetId=bob.id, sdpOffer=OFFER)
    incoming = await bob.expects("INCOMING_CALL", callerId=alice.id, sdpOffer=OFFER)
    assert incoming.keys() == {"callId", "callerId", "sdpOffer", "iceServers"}
    call_id = incoming["callId"]
    await bob.send("CALL_ACCEPT", callId=call_id, sdpAnswer=ANSWER)
    accepted = await alice.expects("CALL_ACCEPTED", callId=call_id, sdpAnswer=ANSWER)
    assert accepted.keys() == {"callId", "sdpAnswer", "iceServers"}
    await alice.reaches(bob, call_id)
    await bob.reaches(alice, call_id)
    await alice.send("CALL_END", callId=call_id)
    assert await bob.expects("CALL_ENDED") == {"callId": call_id}
    await alice.expects_nothing_else()
    await bob.expects_nothing_else()


async def test_initiate_is_silent_to_the_caller(alice: Person, bob: Person) -> None:
    await alice.rings(bob)
    await alice.expects_nothing_else()


async def test_initiate_without_a_call_id_replaces_the_one_before(alice: Person, bob: Person, carol: Person) -> None:
    chosen = await alice.rings(bob)
    calls: list[str] = []
    for _ in range(12):
        await alice.send("CALL_INITIATE", targetId=bob.id, sdpOffer=OFFER)
        if calls:
            assert await bob.expects("CALL_ENDED") == {"callId": calls[-1], "reason": "replaced"}
        calls.append((await bob.expects("INCOMING_CALL", callerId=alice.id))["callId"])
    await alice.expects_nothing_else()
    await bob.send("CALL_ACCEPT", callId=calls[-1], sdpAnswer=ANSWER)
    await alice.expects("CALL_ACCEPTED", callId=calls[-1])
    # What was answered, what rings elsewhere, and what the caller can end by itself stays.
    await alice.send("CALL_INITIATE", targetId=carol.id, sdpOffer=OFFER)
    await carol.expects("INCOMING_CALL")
    await alice.send("CALL_INITIATE", targetId=bob.id, sdpOffer=OFFER)
    await bob.expects("INCOMING_CALL")
    await alice.reaches(bob, chosen)
    await alice.reaches(bob, calls[-1])
    await alice.send("ICE_CANDIDATE", callId=calls[-2], candidate=CANDIDATE)
    await alice.expects_error("CALL_NOT_FOUND", "ICE_CANDIDATE", calls[-2])


async def test_call_ids_of_the_server_are_unguessable(alice: Person, bob: Person) -> None:
    made = set()
    for _ in range(50):
        await alice.send("CALL_INITIATE", targetId=bob.id, sdpOffer=OFFER)
        call_id = (await bob.expects("INCOMING_CALL"))["callId"]
        await bob.send("CALL_REJECT", callId=call_id)
        await alice.expects("CALL_REJECTED", callId=call_id)
        made.add(call_id)
    assert len(made) == 50
    # 128 bits in an alphabet of 64.
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22,64}", call_id) for call_id in made)
    for position in range(22):
        assert len({call_id[position] for call_id in made}) > 3


async def test_caller_trickles_and_cancels_while_it_rings(alice: Person, bob: Person) -> None:
    call_id = await alice.rings(bob)
    await alice.reaches(bob, call_id)
    await bob.reaches(alice, call_id)
    await alice.send("CALL_END", callId=call_id)
    await bob.expects("CALL_ENDED", callId=call_id)


async def test_candidates_right_behind_the_offer_arrive_behind_it(alice: Person, bob: Person) -> None:
    call_id = new_call_id()
    await alice.send("CALL_INITIATE", targetId=bob.id, sdpOffer=OFFER, callId=call_id)
    for number in range(5):
        await alice.send("ICE_CANDIDATE", callId=call_id, candidate=f"{number}")
    await bob.expects("INCOMING_CALL", callId=call_id)
    for number in range(5):
        await bob.expects("ICE_CANDIDATE", callId=call_id, candidate=f"{number}")


@pytest.mark.parametrize("call_id", ["x" * 16, "-" * 64, "__proto__-_-__proto__"])
async def test_caller_may_choose_the_call_id(alice: Person, bob: Person, call_id: str) -> None:
    await alice.send("CALL_INITIATE", targetId=bob.id, sdpOffer=OFFER, callId=call_id)
    await bob.expects("INCOMING_CALL", callId=call_id)
    await alice.send("CALL_END", callId=call_id)
    await bob.expects("CALL_ENDED", callId=call_id)


@pytest.mark.parametrize("is_answered", [False, True])
@pytest.mark.parametrize("is_ended_by_caller", [False, True])
async def test_either_side_ends_a_call_at_any_time(
    alice: Person, bob: Person, *, is_answered: bool, is_ended_by_caller: bool
) -> None:
    call_id = await (alice.talks_to(bob) if is_answered else alice.rings(bob))
    one, other = (alice, bob) if is_ended_by_caller else (bob, alice)
    await one.send("CALL_END", callId=call_id)
    assert await other.expects("CALL_ENDED") == {"callId": call_id}
    await one.expects_nothing_else()


@pytest.mark.parametrize("reason", ["", "busy", "x" * 64, "é" * 64, "🙂" * 64, " a\r\nb\0 "])
async def test_reason_is_passed_through(alice: Person, bob: Person, reason: str) -> None:
    call_id = await alice.rings(bob)
    await bob.send("CALL_REJECT", callId=call_id, reason=reason)
    assert await alice.expects("CALL_REJECTED") == {"callId": call_id, "reason": reason}
    call_id = await alice.talks_to(bob)
    await alice.send("CALL_END", callId=call_id, reason=reason)
    assert await bob.expects("CALL_ENDED") == {"callId": call_id, "reason": reason}


async def test_reject_without_a_reason_has_none(alice: Person, bob: Person) -> None:
    call_id = await alice.rings(bob)
    await bob.send("CALL_REJECT", callId=call_id)
    assert await alice.expects("CALL_REJECTED") == {"callId": call_id}


async def test_both_may_call_each_other_at_once(alice: Person, bob: Person) -> None:
    ids = [new_call_id(), new_call_id()]
    await asyncio.gather(
        alice.send("CALL_INITIATE", targetId=bob.id, sdpOffer=OFFER, callId=ids[0]),
        bob.send("CALL_INITIATE", targetId=alice.id, sdpOffer=OFFER, callId=ids[1]),
    )
    await bob.expects("INCOMING_CALL", callId=ids[0])
    await alice.expects("INCOMING_CALL", callId=ids[1])
    await alice.send("CALL_REJECT", callId=ids[1])
    await bob.expects("CALL_REJECTED", callId=ids[1])
    await bob.send("CALL_ACCEPT", callId=ids[0], sdpAnswer=ANSWER)
    await alice.expects("CALL_ACCEPTED", callId=ids[0])
    await alice.reaches(bob, ids[0])


async def test_one_client_has_several_calls(alice: Person, bob: Person, carol: Person) -> None:
    with_bob, with_carol = await alice.talks_to(bob), await carol.talks_to(alice)
    await alice.send("CALL_END", callId=with_bob)
    await bob.expects("CALL_ENDED", callId=with_bob)
    await alice.reaches(carol, with_carol)
    await carol.reaches(alice, with_carol)


# --- Whom one can call ------------------------------------------------------------------------------


async def test_unknown_target_is_not_found(alice: Person) -> None:
    await alice.send("CALL_INITIATE", targetId=f"{alice.id}-nobody", sdpOffer=OFFER)
    await alice.expects_error("TARGET_NOT_FOUND", "CALL_INITIATE")
    call_id = new_call_id()
    await alice.send("CALL_INITIATE", targetId=f"{alice.id}-nobody", sdpOffer=OFFER, callId=call_id)
    await alice.expects_error("TARGET_NOT_FOUND", "CALL_INITIATE", call_id)
    await refusal(alice, "CALL_END", call_id, {})


async def test_target_that_has_left_is_not_found(alice: Person, bob: Person) -> None:
    # The end of the call tells when the server knows.
    await alice.talks_to(bob)
    await bob.close()
    await alice.expects("CALL_ENDED")
    await alice.send("CALL_INITIATE", targetId=bob.id, sdpOffer=OFFER)
    await alice.expects_error("TARGET_NOT_FOUND", "CALL_INITIATE")


async def test_connected_but_not_registered_is_not_found(alice: Person, stranger: Person) -> None:
    await alice.send("CALL_INITIATE", targetId=stranger.id, sdpOffer=OFFER)
    await alice.expects_error("TARGET_NOT_FOUND", "CALL_INITIATE")
    await stranger.registers()
    await alice.talks_to(stranger)


async def test_calling_oneself_is_invalid(alice: Person, bob: Person) -> None:
    call_id = new_call_id()
    await alice.send("CALL_INITIATE", targetId=alice.id, sdpOffer=OFFER, callId=call_id)
    await alice.expects_error("INVALID_MESSAGE", "CALL_INITIATE", call_id)
    await refusal(alice, "CALL_END", call_id, {})
    await alice.talks_to(bob)


@pytest.mark.parametrize("bad", ["", "x" * 15, "x" * 65, "x" * 15 + " ", "x" * 16 + "\n", "x" * 15 + ".", "ä" * 16])
async def test_malformed_call_id_is_invalid(alice: Person, bob: Person, bad: str) -> None:
    await alice.send("CALL_INITIATE", targetId=bob.id, sdpOffer=OFFER, callId=bad)
    await alice.expects("ERROR", code="INVALID_MESSAGE", request="CALL_INITIATE")
    await bob.expects_nothing_else()


@pytest.mark.parametrize("is_answered", [False, True])
async def test_used_call_id_is_invalid(alice: Person, bob: Person, carol: Person, *, is_answered: bool) -> None:
    call_id = await (alice.talks_to(bob) if is_answered else alice.rings(bob))
    for person, peer in ((alice, bob), (bob, alice), (carol, bob), (carol, alice)):
        await person.send("CALL_INITIATE", targetId=peer.id, sdpOffer=OFFER, callId=call_id)
        await person.expects_error("INVALID_MESSAGE", "CALL_INITIATE", call_id)
    await alice.reaches(bob, call_id)
    await bob.reaches(alice, call_id)


async def test_eight_calls_are_open_at_most(alice: Person, bob: Person, carol: Person) -> None:
    calls = [await alice.rings(bob) for _ in range(4)] + [await alice.talks_to(carol) for _ in range(4)]
    ninth = new_call_id()
    for _ in range(2):
        await alice.send("CALL_INITIATE", targetId=bob.id, sdpOffer=OFFER, callId=ninth)
        await alice.expects_error("RATE_LIMITED", "CALL_INITIATE", ninth)
    await alice.send("CALL_END", callId=calls[0])
    await bob.expects("CALL_ENDED", callId=calls[0])
    await alice.rings(bob)


# --- Who may do what --------------------------------------------------------------------------------


async def test_unknown_call_is_not_found(alice: Person) -> None:
    for message_type, payload in ON_A_CALL:
        for call_id in (new_call_id(), "x", "", "__proto__"):
            await refusal(alice, message_type, call_id, payload)


async def test_outsider_sees_no_difference_to_an_unknown_call(alice: Person, bob: Person, carol: Person) -> None:
    for call_id in (await alice.talks_to(bob), await alice.rings(bob)):
        for message_type, payload in ON_A_CALL:
            told = await refusal(carol, message_type, call_id, payload)
            assert told == await refusal(carol, message_type, new_call_id(), payload)
        await alice.reaches(bob, call_id)
        await bob.reaches(alice, call_id)


@pytest.mark.parametrize("is_ended_by_caller", [False, True])
async def test_nothing_can_be_done_to_a_call_that_has_ended(
    alice: Person, bob: Person, *, is_ended_by_caller: bool
) -> None:
    call_id = await alice.talks_to(bob)
    one, other = (alice, bob) if is_ended_by_caller else (bob, alice)
    await one.send("CALL_END", callId=call_id)
    await other.expects("CALL_ENDED", callId=call_id)
    for message_type, payload in ON_A_CALL:
        for person in (alice, bob):
            told = await refusal(person, message_type, call_id, payload)
            assert told == await refusal(person, message_type, new_call_id(), payload)
    for person in (alice, bob):
        await person.expects_nothing_else()


async def test_nothing_can_be_done_to_a_call_that_was_rejected(alice: Person, bob: Person) -> None:
    call_id = await alice.rings(bob)
    await bob.send("CALL_REJECT", callId=call_id)
    await alice.expects("CALL_REJECTED", callId=call_id)
    for message_type, payload in ON_A_CALL:
        for person in (alice, bob):
            await refusal(person, message_type, call_id, payload)
    for person in (alice, bob):
        await person.expects_nothing_else()


@pytest.mark.parametrize(("message_type", "payload"), ON_A_CALL[:3])
async def test_caller_can_neither_accept_nor_reject(
    alice: Person, bob: Person, message_type: str, payload: dict[str, Any]
) -> None:
    call_id = await alice.rings(bob)
    told = await refusal(alice, message_type, call_id, payload)
    assert told == await refusal(alice, message_type, new_call_id(), payload)
    await bob.send("CALL_ACCEPT", callId=call_id, sdpAnswer=ANSWER)
    await alice.expects("CALL_ACCEPTED", callId=call_id)


@pytest.mark.parametrize(("message_type", "payload"), ON_A_CALL[:3])
async def test_active_call_is_neither_accepted_nor_rejected_again(
    alice: Person, bob: Person, message_type: str, payload: dict[str, Any]
) -> None:
    call_id = await alice.talks_to(bob)
    for person in (alice, bob):
        await refusal(person, message_type, call_id, payload)
    await alice.reaches(bob, call_id)
    await bob.reaches(alice, call_id)


async def test_of_twenty_accepts_at_once_one_wins(alice: Person, bob: Person, carol: Person) -> None:
    for _ in range(5):
        call_id = await alice.rings(bob)
        accepts = [
            person.send("CALL_ACCEPT", callId=call_id, sdpAnswer=f"{person.id} {number}")
            for number in range(20)
            for person in (bob, carol, alice)
        ]
        await asyncio.gather(*accepts)
        for _ in range(20):
            await carol.expects_error("CALL_NOT_FOUND", "CALL_ACCEPT", call_id)
        for _ in range(19):
            await bob.expects_error("CALL_NOT_FOUND", "CALL_ACCEPT", call_id)
        answers = [json.loads(await alice.received()) for _ in range(21)]
        accepted = [answer["payload"] for answer in answers if answer["type"] == "CALL_ACCEPTED"]
        assert [payload["sdpAnswer"] for payload in accepted] == [f"{bob.id} 0"]
        await alice.reaches(bob, call_id)
        await bob.reaches(alice, call_id)
        await alice.send("CALL_END", callId=call_id)
        await bob.expects("CALL_ENDED", callId=call_id)


async def test_accept_and_end_at_once_agree(alice: Person, bob: Person) -> None:
    for _ in range(30):
        call_id = await alice.rings(bob)
        await asyncio.gather(
            alice.send("CALL_END", callId=call_id),
            bob.send("CALL_ACCEPT", callId=call_id, sdpAnswer=ANSWER),
        )
        # Bob hears of the end; of his answer he hears only when it came too late, and then alice does not.
        heard = [json.loads(await bob.received())]
        await bob.send("HEARTBEAT")
        while {"HEARTBEAT_ACK", "CALL_ENDED"} - {message["type"] for message in heard}:
            heard.append(json.loads(await bob.received()))
        was_late = any(message["type"] == "ERROR" for message in heard)
        assert len(heard) == 2 + was_late, heard
        if not was_late:
            await alice.expects("CALL_ACCEPTED", callId=call_id)
        for person in (alice, bob):
            await refusal(person, "ICE_CANDIDATE", call_id, {"candidate": CANDIDATE})


async def test_both_end_at_once(alice: Person, bob: Person) -> None:
    for _ in range(20):
        call_id = await alice.talks_to(bob)
        await asyncio.gather(*(person.send("CALL_END", callId=call_id) for person in (alice, bob)))
        # Who was later hears of the end, and that there was nothing left to end; who was first hears nothing.
        tasks = {asyncio.create_task(person.received()): person for person in (alice, bob)}
        done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        assert len(done) == 1
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        later = tasks[done.copy().pop()]
        first = bob if later is alice else alice
        heard = [json.loads(text) for text in (done.pop().result(), await later.received())]
        assert sorted(message["type"] for message in heard) == ["CALL_ENDED", "ERROR"]
        await first.expects_nothing_else()


# --- Values are relayed as they came, in order ------------------------------------------------------


async def test_two_hundred_messages_stay_in_order_both_ways(alice: Person, bob: Person) -> None:
    call_id = await alice.talks_to(bob)

    async def speak(person: Person) -> None:
        for number in range(200):
            await person.send("ICE_CANDIDATE", callId=call_id, candidate=f"{person.id} {number}")

    async def listen(person: Person, peer: Person) -> None:
        for number in range(200):
            await person.expects("ICE_CANDIDATE", candidate=f"{peer.id} {number}")

    await asyncio.gather(speak(alice), speak(bob), listen(alice, bob), listen(bob, alice))


STRINGS = {
    "line ends": '"v=0\\r\\no=- 1 2 IN IP4 0.0.0.0\\r\\n\\r\\n"',
    "white space at the ends": '"  \\t\\r\\n v=0 \\n\\n  "',
    "nothing but white space": '" "',
    "escapes": r'"\u0076\u003d0 \u00e9 \/ \\ \" \b\f\n\r\t \u0000 \u001f \u007f \u2028 \u2029"',
    "emoji": '"🙂 👨‍👩‍👧 é é \u202e \ufeff"',
    "an escaped emoji": r'"\ud83d\ude42"',
    "a number": '"0123456789"',
    "json": r'"{\"type\":\"offer\",\"sdp\":\"v=0\\r\\n\"}"',
    "markup": '"<script>alert(1)</script>&amp;%00"',
    "long": f'"{"x" * 60_000}"',
}
CANDIDATES = STRINGS | {
    "the end of candidates": '""',
    "null": "null",
    "an empty object": "{}",
    "a browser's": f'{{"candidate":"{CANDIDATE}","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":null}}',
    "odd white space": '{ "candidate" :\t"x" ,\r\n "sdpMid":\n[ 1 , 2,3 ] }',
    "large numbers": f'{{"a":1e400,"b":-1E+999,"c":{"7" * 300},"d":0.1000,"e":-0.0,"f":1e-400,"g":9007199254740993}}',
    "duplicate keys": '{"a":1,"a":2,"a":{"a":1,"a":2}}',
    "odd keys": r'{"":1,"__proto__":{"x":1},"\u0061":2,"🙂":3,"callId":"other","type":"CALL_END"}',
    "nested": f'{{"a":{"[" * 100}{"]" * 100}}}',
}


def exactly(text: str) -> Any:
    """Everything that JSON says: the order of keys, keys that repeat, and every digit."""
    return json.loads(text, object_pairs_hook=list, parse_int=str, parse_float=str)


def field(text: str, name: str) -> Any:
    """One field of a message's payload, exactly."""
    return dict(dict(exactly(text))["payload"])[name]


@ON_EVERY_WAY
@pytest.mark.parametrize("candidate", CANDIDATES.values(), ids=CANDIDATES)
async def test_candidate_is_relayed_value_identical(alice: Person, bob: Person, candidate: str) -> None:
    call_id = await alice.talks_to(bob)
    for person, peer in ((alice, bob), (bob, alice)):
        await person.send_raw(f'{{"type":"ICE_CANDIDATE","payload":{{"callId":"{call_id}","candidate":{candidate}}}}}')
        assert field(await peer.received(), "candidate") == exactly(candidate)


@ON_EVERY_WAY
@pytest.mark.parametrize("text", STRINGS.values(), ids=STRINGS)
async def test_offer_and_answer_are_relayed_value_identical(alice: Person, bob: Person, text: str) -> None:
    call_id = new_call_id()
    await alice.send_raw(
        f'{{"type":"CALL_INITIATE","payload":{{"callId":"{call_id}","targetId":"{bob.id}","sdpOffer":{text}}}}}'
    )
    assert field(await bob.received(), "sdpOffer") == exactly(text)
    await bob.send_raw(f'{{"type":"CALL_ACCEPT","payload":{{"sdpAnswer":{text},"callId":"{call_id}"}}}}')
    assert field(await alice.received(), "sdpAnswer") == exactly(text)


async def test_a_hundred_calls_at_once(join: Join, target: Target) -> None:
    async def call(number: int) -> None:
        caller = await join(f"caller-{number}", target.here)
        callee = await join(f"callee-{number}", target.there)
        call_id = await caller.talks_to(callee)
        for _ in range(3):
            await caller.reaches(callee, call_id)
            await callee.reaches(caller, call_id)
        await callee.send("CALL_END", callId=call_id)
        await caller.expects("CALL_ENDED", callId=call_id)

    await asyncio.gather(*map(call, range(100)))
