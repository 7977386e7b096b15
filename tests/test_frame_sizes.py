"""No relayed frame is longer than a frame may be; the sender of what would make one is told before anything happens."""

import itertools
import json
import string
from typing import Any

import pytest

from tests.conftest import SHARED, Join
from tests.support.people import ANSWER, OFFER, Person, Target, drops, new_call_id
from tests.support.servers import server
from tests.test_holding import returns

LIMIT_BYTES = 65_536
LETTERS = ["x", "é", "€", "🙂"]
# Calls of the last test may end while the next one begins: nobody has the name of somebody there.
names = itertools.cycle(string.ascii_letters)


def compact(message_type: str, **payload: Any) -> str:
    """A message's text without a byte too many."""
    return json.dumps({"type": message_type, "payload": payload}, ensure_ascii=False, separators=(",", ":"))


def filling(message_type: str, field: str, size: int, letter: str = "x", **payload: Any) -> str:
    """Return a value that makes the message exactly so many bytes long when it is in this field."""
    room = size - len(compact(message_type, **payload, **{field: ""}).encode())
    width = len(letter.encode())
    return letter * (room // width) + "x" * (room % width)


def incoming(size: int, call_id: str, caller: Person, letter: str = "x", **payload: Any) -> str:
    """An offer with which the callee's frame is so many bytes long."""
    return filling("INCOMING_CALL", "sdpOffer", size, letter, callId=call_id, callerId=caller.id, **payload)


def accepted(size: int, call_id: str, letter: str = "x", **payload: Any) -> str:
    """An answer with which the caller's frame is so many bytes long."""
    return filling("CALL_ACCEPTED", "sdpAnswer", size, letter, callId=call_id, **payload)


async def comes(person: Person, message_type: str, size: int) -> dict[str, Any]:
    """A frame of this type and of exactly this size must be the next thing; returns its payload."""
    text = await person.received()
    message = json.loads(text)
    assert (message["type"], len(text.encode())) == (message_type, size)
    payload: dict[str, Any] = message["payload"]
    return payload


async def is_told(person: Person, message_type: str, call_id: str | None) -> None:
    """Its sender must be told, and which rule it broke."""
    error = await person.expects_error("INVALID_MESSAGE", message_type, call_id)
    assert "65,536" in error["message"]


# --- Offers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("longer", "shorter"), [(64, 1), (64, 63), (40, 1)])
@pytest.mark.parametrize("letter", LETTERS)
async def test_offer_arrives_while_it_fits_and_is_refused_otherwise(
    join: Join, target: Target, longer: int, shorter: int, letter: str
) -> None:
    alice = await join("alice", target.here, client_id=next(names) * longer)
    bob = await join("bob", target.there, client_id=next(names) * shorter)
    for size in (LIMIT_BYTES - 1, LIMIT_BYTES, LIMIT_BYTES + 1):
        call_id = new_call_id()
        offer = incoming(size, call_id, alice, letter)
        frame = compact("CALL_INITIATE", targetId=bob.id, sdpOffer=offer, callId=call_id)
        assert len(frame.encode()) <= LIMIT_BYTES
        await alice.send_raw(frame)
        if size <= LIMIT_BYTES:
            came = await comes(bob, "INCOMING_CALL", size)
            assert came == {"callId": call_id, "callerId": alice.id, "sdpOffer": offer}
            continue
        await is_told(alice, "CALL_INITIATE", call_id)
        # Nothing has happened: nobody heard of it, and the ID is free.
        await bob.expects_nothing_else()
        await alice.send("CALL_END", callId=call_id)
        await alice.expects_error("CALL_NOT_FOUND", "CALL_END", call_id)
        await alice.send("CALL_INITIATE", targetId=bob.id, sdpOffer=OFFER, callId=call_id)
        assert (await bob.expects("INCOMING_CALL", callId=call_id))["iceServers"]


async def test_offer_without_a_call_id_has_less_room(alice: Person, bob: Person) -> None:
    for size in (LIMIT_BYTES, LIMIT_BYTES + 1):
        # The server's own have as many characters.
        offer = incoming(size, new_call_id(), alice)
        await alice.send_raw(compact("CALL_INITIATE", targetId=bob.id, sdpOffer=offer))
        if size > LIMIT_BYTES:
            await is_told(alice, "CALL_INITIATE", None)
        else:
            assert (await comes(bob, "INCOMING_CALL", size))["sdpOffer"] == offer
    await bob.expects_nothing_else()


async def test_escapes_count_as_they_are_written(alice: Person, bob: Person) -> None:
    call_id = new_call_id()
    for size in (LIMIT_BYTES, LIMIT_BYTES + 1):
        room = len(incoming(size, call_id, alice))
        written = r"\u0041\/\r\n" * (room // 12)
        written += "x" * (room - len(written))
        await alice.send_raw(
            f'{{"type":"CALL_INITIATE","payload":{{"targetId":"{bob.id}","sdpOffer":"{written}","callId":"{call_id}"}}}}'
        )
        if size > LIMIT_BYTES:
            await is_told(alice, "CALL_INITIATE", call_id)
            continue
        assert (await comes(bob, "INCOMING_CALL", size))["sdpOffer"] == json.loads(f'"{written}"')
        await bob.send("CALL_REJECT", callId=call_id)
        await alice.expects("CALL_REJECTED")


# --- Answers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("letter", LETTERS)
async def test_answer_arrives_while_it_fits_and_is_refused_otherwise(alice: Person, bob: Person, letter: str) -> None:
    for size in (LIMIT_BYTES + 1, LIMIT_BYTES, LIMIT_BYTES - 1):
        call_id = await alice.rings(bob)
        answer = accepted(size, call_id, letter)
        await bob.send_raw(compact("CALL_ACCEPT", callId=call_id, sdpAnswer=answer))
        if size <= LIMIT_BYTES:
            assert await comes(alice, "CALL_ACCEPTED", size) == {"callId": call_id, "sdpAnswer": answer}
            continue
        await is_told(bob, "CALL_ACCEPT", call_id)
        # It still rings.
        await alice.expects_nothing_else()
        await bob.send("CALL_ACCEPT", callId=call_id, sdpAnswer=ANSWER)
        assert (await alice.expects("CALL_ACCEPTED", callId=call_id))["iceServers"]


async def test_longest_messages_wait_for_who_reconnects(
    join: Join, target: Target, alice: Person, bob: Person, carol: Person
) -> None:
    call_id = await alice.rings(bob)
    await drops(alice, carol, call_id)
    answer = accepted(LIMIT_BYTES, call_id)
    await bob.send_raw(compact("CALL_ACCEPT", callId=call_id, sdpAnswer=answer))
    candidate = filling("ICE_CANDIDATE", "candidate", LIMIT_BYTES, callId=call_id)
    await bob.send_raw(compact("ICE_CANDIDATE", callId=call_id, candidate=candidate))
    await bob.expects_nothing_else()
    alice = await returns(alice, join, target.there)
    assert (await comes(alice, "CALL_ACCEPTED", LIMIT_BYTES))["sdpAnswer"] == answer
    assert (await comes(alice, "ICE_CANDIDATE", LIMIT_BYTES))["candidate"] == candidate


# --- What else is relayed ---------------------------------------------------------------------------


async def test_ice_servers_are_left_out_where_they_do_not_fit(alice: Person, bob: Person) -> None:
    call_id = await alice.rings(bob)
    await bob.send("CALL_ACCEPT", callId=call_id, sdpAnswer=ANSWER)
    # Those of a later credential are as long.
    for_alice = (await alice.expects("CALL_ACCEPTED"))["iceServers"]
    for size in (LIMIT_BYTES, LIMIT_BYTES + 1):
        first, second = new_call_id(), await bob.rings(alice)
        offer = incoming(size, first, bob, iceServers=for_alice)
        await bob.send("CALL_INITIATE", targetId=alice.id, sdpOffer=offer, callId=first)
        answer = accepted(size, second, iceServers=for_alice)
        came = json.loads(await alice.received())["payload"]
        assert (came["sdpOffer"], "iceServers" in came) == (offer, size == LIMIT_BYTES)
        third = await alice.rings(bob)
        await bob.send("CALL_ACCEPT", callId=third, sdpAnswer=answer)
        came = json.loads(await alice.received())["payload"]
        assert (came["sdpAnswer"], "iceServers" in came) == (answer, size == LIMIT_BYTES)


@pytest.mark.parametrize("space", ["", " ", "\n" * 100])
async def test_longest_candidate_is_relayed_with_its_white_space(alice: Person, bob: Person, space: str) -> None:
    call_id = await alice.talks_to(bob)
    text = f'{{"type":"ICE_CANDIDATE","payload":{{"callId":"{call_id}","candidate":{{{space}"a":""}}}}}}'
    text = text.replace('""', f'"{"x" * (LIMIT_BYTES - len(text))}"')
    await alice.send_raw(text)
    assert await bob.received() == text
    await alice.send_raw(f"{text} ")
    await alice.expects("ERROR", code="INVALID_MESSAGE")
    await bob.expects_nothing_else()


async def test_longest_reason_is_relayed_however_it_is_written(alice: Person, bob: Person) -> None:
    for character in ("\x00", "\x1f", "\x7f", "🙂", '"', "\\", "\u2028"):
        call_id = await alice.talks_to(bob)
        await alice.send("CALL_END", callId=call_id, reason=character * 64)
        assert await bob.expects("CALL_ENDED") == {"callId": call_id, "reason": character * 64}


@pytest.mark.parametrize("count", [1, 40])
async def test_any_number_of_turn_urls_leaves_room_for_the_message(count: int) -> None:
    urls = ",".join(f"turns:relay-{number}.example.com:5349?transport=tcp" for number in range(count))
    with server(env=SHARED | {"TURN_URLS": urls}) as running:
        async with Person(running.ws_url, "a" * 64) as alice, Person(running.ws_url, "b") as bob:
            assert len((await alice.register(alice.id))["iceServers"]) == count
            await bob.registers()
            room = len(filling("CALL_INITIATE", "sdpOffer", LIMIT_BYTES, targetId="b", callId="c" * 16))
            for length in range(room - 250 * count, room - 128, 500):
                call_id = new_call_id()
                await alice.send("CALL_INITIATE", targetId="b", sdpOffer="x" * length, callId=call_id)
                assert len(await bob.received()) <= LIMIT_BYTES
                await bob.send("CALL_ACCEPT", callId=call_id, sdpAnswer="x" * length)
                assert len(await alice.received()) <= LIMIT_BYTES
                await alice.send("CALL_END", callId=call_id)
                await bob.expects("CALL_ENDED")
