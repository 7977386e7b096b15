import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.conftest import Join
from tests.support.client import ANSWER_SECONDS, Client
from tests.support.people import ANSWER, CANDIDATE, OFFER, Person, Target, drops, new_call_id, until_closed

BAD_IDS: list[Any] = [
    *(
        "",
        " ",
        "x" * 65,
        "bob\n",
        "\nbob",
        "bob ",
        "bob\r\n",
        "bob\0",
        "b\0b",
        "bób",
        "bob.x",
        "a/b",
        "bob@x",
        "🙂",
        "bob٣",
    ),
    *(None, 7, 1.5, True, [], ["bob"], {}, {"bob": 1}),
]

BEFORE_REGISTER: list[tuple[str, dict[str, Any]]] = [
    ("CALL_INITIATE", {"targetId": "bob", "sdpOffer": OFFER}),
    ("CALL_INITIATE", {"targetId": "bob", "sdpOffer": OFFER, "callId": "a-call-id-of-my-own"}),
    ("CALL_ACCEPT", {"callId": "a-call-id-of-my-own", "sdpAnswer": ANSWER}),
    ("CALL_REJECT", {"callId": "a-call-id-of-my-own"}),
    ("CALL_END", {"callId": "a-call-id-of-my-own"}),
    ("ICE_CANDIDATE", {"callId": "a-call-id-of-my-own", "candidate": CANDIDATE}),
    ("PKD_REGISTER", {"clientId": "bob", "publicKey": "key"}),
    ("PKD_LOOKUP", {"clientId": "bob"}),
    ("TURN_CREDENTIALS", {}),
]


# --- REGISTER ---------------------------------------------------------------------------------------


async def test_register_is_confirmed(stranger: Person) -> None:
    confirmation = await stranger.register(stranger.id)
    assert confirmation.keys() == {"clientId", "iceServers"}


@pytest.mark.parametrize("bad", BAD_IDS, ids=repr)
async def test_register_with_a_bad_id_is_invalid_and_another_try_works(stranger: Person, bad: Any) -> None:
    await stranger.send("REGISTER", clientId=bad)
    await stranger.expects_error("INVALID_MESSAGE", "REGISTER")
    await stranger.register(stranger.id)


@pytest.mark.parametrize("good", ["a", "-", "_", "0", "x" * 64, "__proto__", "AZaz09_-" * 8])
async def test_register_takes_every_id_of_the_alphabet(stranger: Person, good: str) -> None:
    await stranger.register(good)


async def test_register_tells_ids_apart_by_case(join: Join, target: Target, alice: Person) -> None:
    upper = await join("ALICE", target.there, client_id=alice.id.upper())
    bob = await join("bob", target.there)
    await bob.talks_to(alice)
    await bob.talks_to(upper)


async def test_register_again_is_confirmed_again(alice: Person, bob: Person) -> None:
    call_id = await alice.talks_to(bob)
    for _ in range(3):
        await alice.register(alice.id)
    await alice.reaches(bob, call_id)
    await bob.reaches(alice, call_id)


async def test_register_names_the_calls_that_stand(
    join: Join, target: Target, alice: Person, bob: Person, carol: Person
) -> None:
    rings, ended, talks = await alice.rings(bob), await alice.rings(bob), await carol.talks_to(alice)
    await alice.send("CALL_END", callId=ended)
    await bob.expects("CALL_ENDED", callId=ended)
    expected = {
        rings: {"callId": rings, "peerId": bob.id, "role": "caller", "state": "ringing"},
        talks: {"callId": talks, "peerId": carol.id, "role": "callee", "state": "active"},
    }
    confirmations = [await alice.register(alice.id)]
    newer = await join("newer", target.there, client_id=alice.id, registered=False)
    confirmations.append(await newer.register(alice.id))
    await alice.expects_close(4409, "superseded")
    await drops(newer, carol, rings)
    back = await join("back", target.here, client_id=alice.id, registered=False)
    confirmations.append(await back.register(alice.id))
    for confirmation in confirmations:
        assert {call["callId"]: call for call in confirmation["calls"]} == expected
    await back.send("CALL_END", callId=talks)
    await back.send("CALL_END", callId=rings)
    assert "calls" not in await back.register(alice.id)


async def test_register_names_no_calls_where_it_is_asked_to(join: Join, target: Target) -> None:
    alice = await join("alice", target.here, registered=False)
    for calls, listed in ((True, {"calls": []}), (False, {}), ("true", {}), (None, {}), (1, {})):
        await alice.send("REGISTER", clientId=alice.id, calls=calls)
        confirmation = await alice.expects("REGISTERED", clientId=alice.id)
        assert {name: confirmation[name] for name in confirmation.keys() & {"calls"}} == listed


async def test_register_under_a_second_id_is_invalid(alice: Person, bob: Person) -> None:
    await alice.send("REGISTER", clientId=f"{alice.id}-2")
    await alice.expects_error("INVALID_MESSAGE", "REGISTER")
    await bob.talks_to(alice)


@pytest.mark.parametrize(("message_type", "payload"), BEFORE_REGISTER)
async def test_everything_else_needs_register_first(
    stranger: Person, message_type: str, payload: dict[str, Any]
) -> None:
    await stranger.send(message_type, **payload)
    await stranger.expects_error("NOT_REGISTERED", message_type, payload.get("callId"))
    await stranger.register(stranger.id)


@pytest.mark.parametrize("text", ['{"type":"HEARTBEAT"}', '{"type":"HEARTBEAT","payload":{}}'])
async def test_heartbeat_is_answered_before_and_after_register(stranger: Person, text: str) -> None:
    await stranger.send_raw(text)
    assert json.loads(await stranger.received()) == {"type": "HEARTBEAT_ACK", "payload": {}}
    await stranger.register(stranger.id)
    await stranger.send_raw(text)
    assert json.loads(await stranger.received()) == {"type": "HEARTBEAT_ACK", "payload": {}}


async def test_register_after_a_clean_close_starts_afresh(join: Join, target: Target, alice: Person) -> None:
    for where in (target.there, target.here) * 3:
        bob = await join("bob", where, client_id=f"{alice.id}-peer")
        await alice.talks_to(bob)
        await bob.close()
        await alice.expects("CALL_ENDED", reason="peer_disconnected")


# --- A newer connection of the same client ----------------------------------------------------------


async def test_newest_connection_wins(join: Join, target: Target, alice: Person, bob: Person) -> None:
    for where in (target.here, target.there, target.there, target.here):
        newer = await join("bob", where, client_id=bob.id)
        await bob.expects_close(4409, "superseded")
        await alice.talks_to(newer)
        bob = newer


async def test_ringing_call_moves_with_the_callee(join: Join, target: Target, alice: Person, bob: Person) -> None:
    call_id = await alice.rings(bob)
    newer = await join("bob", target.here, client_id=bob.id)
    await bob.expects_close(4409, "superseded")
    await newer.send("CALL_ACCEPT", callId=call_id, sdpAnswer=ANSWER)
    await alice.expects("CALL_ACCEPTED", callId=call_id, sdpAnswer=ANSWER)


async def test_ringing_call_moves_with_the_caller(join: Join, target: Target, alice: Person, bob: Person) -> None:
    call_id = await alice.rings(bob)
    newer = await join("alice", target.there, client_id=alice.id)
    await alice.expects_close(4409, "superseded")
    await bob.send("CALL_ACCEPT", callId=call_id, sdpAnswer=ANSWER)
    await newer.expects("CALL_ACCEPTED", callId=call_id, sdpAnswer=ANSWER)


async def test_active_call_moves(join: Join, target: Target, alice: Person, bob: Person) -> None:
    call_id = await alice.talks_to(bob)
    newer = await join("bob", target.here, client_id=bob.id)
    await alice.reaches(newer, call_id)
    await newer.reaches(alice, call_id)
    await newer.send("CALL_END", callId=call_id)
    await alice.expects("CALL_ENDED", callId=call_id)


async def test_close_of_the_old_connection_ends_nothing(join: Join, target: Target, alice: Person, bob: Person) -> None:
    call_id = await alice.talks_to(bob)
    newer = await join("bob", target.there, client_id=bob.id)
    await bob.expects_close(4409)
    await bob.connection.wait_closed()
    await alice.reaches(newer, call_id)
    await alice.talks_to(newer)


async def test_superseded_connection_may_come_back(join: Join, target: Target, alice: Person, bob: Person) -> None:
    call_id = await alice.talks_to(bob)
    newer = await join("bob", target.here, client_id=bob.id)
    back = await join("bob", target.there, client_id=bob.id)
    await newer.expects_close(4409)
    await alice.reaches(back, call_id)


async def test_of_twenty_at_once_one_stays(join: Join, target: Target, alice: Person) -> None:
    twins = [
        await join("twin", where, client_id=f"{alice.id}-twin", registered=False)
        for where in (target.here, target.there) * 10
    ]
    await asyncio.gather(*(twin.send("REGISTER", clientId=twin.id) for twin in twins))

    async def superseded(twin: Person) -> None:
        """Wait for the close with 4409; nothing but REGISTERED comes before."""
        heard: list[dict[str, Any]] = []
        assert await until_closed(twin, heard.append) == (4409, "superseded")
        assert {message["type"] for message in heard} <= {"REGISTERED"}

    waits = {asyncio.create_task(superseded(twin)): twin for twin in twins}
    try:
        async with asyncio.timeout(3):
            while len(waits) > 1:
                done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    await task
                    del waits[task]
        done, _ = await asyncio.wait(waits, timeout=0.5)
        assert not done, "the last connection was closed as well"
    finally:
        for task in waits:
            task.cancel()
        await asyncio.wait(waits)
    (winner,) = waits.values()
    await alice.talks_to(winner)


async def moves(
    person: Person,
    join: Join,
    target: Target,
    hear: Callable[[dict[str, Any]], object],
    moved: Callable[[], object] = bool,
) -> Person:
    """Register anew three times, on another process too, and hear each connection to its end; returns the last."""
    for where in (target.here, target.there, target.here):
        listening = asyncio.create_task(until_closed(person, hear))
        newer = await join("bob", where, client_id=person.id)
        assert await listening == (4409, "superseded")
        person = newer
        moved()
    return person


async def test_nothing_is_lost_or_doubled_while_connections_change(
    join: Join, target: Target, alice: Person, bob: Person
) -> None:
    call_id = await alice.talks_to(bob)
    # Fewer than may be held for a client, for which what it has heard and not proved counts as well.
    count = 240
    # What each connection heard. The next one repeats what was not proved to have been read.
    heard: list[list[int]] = [[]]
    # So that the stream lasts as long as the changes do.
    unheard = asyncio.Semaphore(64)
    newest = -1

    def hear(message: dict[str, Any]) -> None:
        nonlocal newest
        assert message["type"] == "ICE_CANDIDATE"
        number = int(message["payload"]["candidate"])
        heard[-1].append(number)
        if number > newest:
            newest = number
            unheard.release()

    async def speak() -> None:
        for number in range(count):
            await unheard.acquire()
            await alice.send("ICE_CANDIDATE", callId=call_id, candidate=f"{number}")
            if number % 10 == 0:
                # Every tenth waits for the server.
                await alice.expects_nothing_else()

    async with asyncio.TaskGroup() as group:
        group.create_task(speak())
        person = await moves(bob, join, target, hear, lambda: heard.append([]))
        while newest < count - 1:
            hear(await person.next_message())
    following = 0
    for numbers in filter(None, heard):
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert numbers[0] <= following
        following = max(following, numbers[-1] + 1)
    assert (heard[0][0], following) == (0, count)


async def test_call_rings_or_is_refused_while_connections_change(
    join: Join, target: Target, alice: Person, bob: Person
) -> None:
    rang: list[str] = []
    ended: list[str] = []
    refused: list[str] = []
    calls = [new_call_id() for _ in range(120)]

    def hear(message: dict[str, Any]) -> None:
        {"INCOMING_CALL": rang, "CALL_ENDED": ended}[message["type"]].append(message["payload"]["callId"])

    async def speak() -> None:
        for call_id in calls:
            await alice.send("CALL_INITIATE", targetId=bob.id, sdpOffer=OFFER, callId=call_id)
            await alice.send("CALL_END", callId=call_id)
            await alice.send("HEARTBEAT")
            while (answer := json.loads(await alice.received()))["type"] != "HEARTBEAT_ACK":
                refused.append(answer["payload"]["callId"])
                assert answer["payload"]["code"] in {"TARGET_NOT_FOUND", "CALL_NOT_FOUND"}

    async with asyncio.TaskGroup() as group:
        group.create_task(speak())
        person = await moves(bob, join, target, hear)
        last = asyncio.create_task(until_closed(person, hear, seconds=60))
    # The last of all: everything before it has come when it comes.
    call_id = new_call_id()
    await alice.send("CALL_INITIATE", targetId=bob.id, sdpOffer=OFFER, callId=call_id)
    async with asyncio.timeout(ANSWER_SECONDS):
        while call_id not in rang:
            await asyncio.sleep(0.01)
    last.cancel()
    accepted = [call for call in calls if call not in refused]
    # A ring that waited while the connections changed is not repeated once its call has ended; the end always is, and
    # may come again on the next connection.
    assert [call for call in dict.fromkeys(rang) if call in accepted] == [call for call in accepted if call in rang]
    assert [call for call in dict.fromkeys(ended) if call in accepted] == accepted


# --- The opening handshake --------------------------------------------------------------------------


async def test_client_that_offers_compression_is_served_without(target: Target) -> None:
    # As every browser does. It would cost memory for each connection.
    async with Client(target.here.ws_url, compression="deflate") as browser:
        await browser.send("HEARTBEAT")
        await browser.expects("HEARTBEAT_ACK")
        assert browser.connection.protocol.extensions == []


async def test_missing_origin_passes(target: Target) -> None:
    async with Client(target.here.ws_url) as native:
        await native.send("HEARTBEAT")
        await native.expects("HEARTBEAT_ACK")


async def test_allowed_origin_passes(target: Target) -> None:
    async with Client(target.here.ws_url, origin="https://app.example.com") as page:
        await page.send("HEARTBEAT")
        await page.expects("HEARTBEAT_ACK")


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example.com",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.example",
        "https://evil-app.example.com",
        "null",
    ],
)
async def test_foreign_origin_is_refused(target: Target, origin: str) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        await Client(target.here.ws_url, origin=origin).__aenter__()


@pytest.mark.parametrize("path", ["/signal/", "/signal/?token=x", "/signal?"])
async def test_path_may_end_with_a_slash_or_a_query(target: Target, path: str) -> None:
    async with Client(target.here.ws_url.removesuffix("/signal") + path) as client:
        await client.register("slash")


@pytest.mark.parametrize("path", ["/", "/signal//", "/signals", "/signal/x", "/health", "/api/", "/x%0a"])
async def test_unknown_path_is_refused(target: Target, path: str) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        await Client(target.here.ws_url.removesuffix("/signal") + path).__aenter__()


async def test_query_is_ignored(target: Target) -> None:
    async with Client(f"{target.here.ws_url}?token=7") as client:
        await client.send("HEARTBEAT")
        await client.expects("HEARTBEAT_ACK")
