import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.conftest import Join
from tests.support.people import ANSWER, CANDIDATE, OFFER, Person, Target, drops, drops_having_read, new_call_id
from tests.support.servers import RunningServer, server

HELD_MESSAGES = 256
HELD_BYTES = 256 * 1024
HOLD_SECONDS = 1


async def returns(person: Person, join: Join, where: RunningServer) -> Person:
    """The same client on a new connection, registered."""
    return await join("again", where, client_id=person.id)


# --- A drop holds -----------------------------------------------------------------------------------


async def test_candidates_wait_for_a_dropped_callee(
    join: Join, target: Target, alice: Person, bob: Person, carol: Person
) -> None:
    call_id = await alice.talks_to(bob)
    for where in (target.there, target.here):
        await drops_having_read(bob, carol, call_id)
        for number in range(50):
            await alice.send("ICE_CANDIDATE", callId=call_id, candidate=f"{number}")
        await alice.expects_nothing_else()
        bob = await returns(bob, join, where)
        for number in range(50):
            await bob.expects("ICE_CANDIDATE", callId=call_id, candidate=f"{number}")
        await alice.reaches(bob, call_id)
        await bob.reaches(alice, call_id)


async def test_answer_and_end_wait_for_a_dropped_caller(
    join: Join, target: Target, alice: Person, bob: Person, carol: Person
) -> None:
    first, second = await alice.rings(bob), await alice.rings(bob)
    await drops_having_read(alice, carol, first)
    await bob.send("CALL_ACCEPT", callId=first, sdpAnswer=ANSWER)
    await bob.send("ICE_CANDIDATE", callId=first, candidate=CANDIDATE)
    await bob.send("CALL_REJECT", callId=second, reason="busy")
    await bob.send("CALL_END", callId=first, reason="bye")
    await bob.expects_nothing_else()
    # Of calls that are gone it hears the end alone.
    alice = await returns(alice, join, target.there)
    assert await alice.expects("CALL_REJECTED") == {"callId": second, "reason": "busy"}
    assert await alice.expects("CALL_ENDED") == {"callId": first, "reason": "bye"}
    await alice.expects_nothing_else()


async def test_answer_waits_with_the_candidates_after_it(
    join: Join, target: Target, alice: Person, bob: Person, carol: Person
) -> None:
    call_id = await alice.rings(bob)
    await drops_having_read(alice, carol, call_id)
    await bob.send("CALL_ACCEPT", callId=call_id, sdpAnswer=ANSWER)
    await bob.send("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)
    await bob.expects_nothing_else()
    alice = await returns(alice, join, target.there)
    accepted = await alice.expects("CALL_ACCEPTED", callId=call_id, sdpAnswer=ANSWER)
    assert accepted.keys() == {"callId", "sdpAnswer", "iceServers"}
    await alice.expects("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)
    await alice.reaches(bob, call_id)


async def test_dropped_callee_answers_after_its_return(
    join: Join, target: Target, alice: Person, bob: Person, carol: Person
) -> None:
    call_id = await alice.rings(bob)
    await drops_having_read(bob, carol, call_id)
    bob = await returns(bob, join, target.here)
    await bob.send("CALL_ACCEPT", callId=call_id, sdpAnswer=ANSWER)
    await alice.expects("CALL_ACCEPTED", callId=call_id)


async def test_both_may_drop(join: Join, target: Target, alice: Person, bob: Person, carol: Person) -> None:
    call_id = await alice.talks_to(bob)
    await drops_having_read(alice, carol, call_id)
    await drops_having_read(bob, carol, call_id)
    alice = await returns(alice, join, target.there)
    await alice.send("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)
    bob = await returns(bob, join, target.here)
    await bob.expects("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)
    await bob.reaches(alice, call_id)


async def test_what_waited_comes_once(join: Join, target: Target, alice: Person, bob: Person, carol: Person) -> None:
    call_id = await alice.talks_to(bob)
    await drops_having_read(bob, carol, call_id)
    await alice.send("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)
    bob = await returns(bob, join, target.there)
    await bob.expects("ICE_CANDIDATE", candidate=CANDIDATE)
    await bob.register(bob.id)
    await drops_having_read(bob, carol, call_id)
    bob = await returns(bob, join, target.there)
    await bob.expects_nothing_else()


async def test_what_waited_comes_before_what_follows(
    join: Join, target: Target, alice: Person, bob: Person, carol: Person
) -> None:
    call_id = await alice.talks_to(bob)
    await drops_having_read(bob, carol, call_id)

    async def speak() -> None:
        for number in range(200):
            await alice.send("ICE_CANDIDATE", callId=call_id, candidate=f"{number}")
            if number % 10 == 0:
                await alice.expects_nothing_else()

    speaking = asyncio.create_task(speak())
    bob = await returns(bob, join, target.there)
    for number in range(200):
        await bob.expects("ICE_CANDIDATE", candidate=f"{number}")
    await speaking


async def test_dropped_client_cannot_be_called(alice: Person, bob: Person, carol: Person) -> None:
    call_id = await alice.talks_to(bob)
    await drops_having_read(bob, carol, call_id)
    other = new_call_id()
    await carol.send("CALL_INITIATE", targetId=bob.id, sdpOffer=OFFER, callId=other)
    await carol.expects_error("TARGET_NOT_FOUND", "CALL_INITIATE", other)


# --- As much as may wait ----------------------------------------------------------------------------


async def test_sender_is_told_when_too_many_messages_wait(
    join: Join, target: Target, alice: Person, bob: Person, carol: Person
) -> None:
    call_id = await alice.talks_to(bob)
    await drops_having_read(bob, carol, call_id)
    for number in range(HELD_MESSAGES + 3):
        await alice.send("ICE_CANDIDATE", callId=call_id, candidate=f"{number}")
    for _ in range(3):
        await alice.expects_error("RATE_LIMITED", "ICE_CANDIDATE", call_id)
    await alice.expects_nothing_else()
    bob = await returns(bob, join, target.there)
    for number in range(HELD_MESSAGES):
        await bob.expects("ICE_CANDIDATE", candidate=f"{number}")
    await alice.reaches(bob, call_id)


async def test_sender_is_told_when_too_many_bytes_wait(
    join: Join, target: Target, alice: Person, bob: Person, carol: Person
) -> None:
    call_id = await alice.talks_to(bob)
    await drops_having_read(bob, carol, call_id)
    fitting = HELD_BYTES // 65_000
    for number in range(fitting + 1):
        await alice.send("ICE_CANDIDATE", callId=call_id, candidate=f"{number}" + "x" * 64_999)
    await alice.expects_error("RATE_LIMITED", "ICE_CANDIDATE", call_id)
    await alice.expects_nothing_else()
    bob = await returns(bob, join, target.there)
    for number in range(fitting):
        await bob.expects("ICE_CANDIDATE", candidate=f"{number}" + "x" * 64_999)
    await alice.reaches(bob, call_id)


async def test_end_of_a_call_is_told_however_much_waits(
    join: Join, target: Target, alice: Person, bob: Person, carol: Person
) -> None:
    call_id = await alice.talks_to(bob)
    await drops_having_read(bob, carol, call_id)
    for number in range(HELD_MESSAGES):
        await alice.send("ICE_CANDIDATE", callId=call_id, candidate=f"{number}")
    await alice.send("CALL_END", callId=call_id)
    await alice.expects_nothing_else()
    bob = await returns(bob, join, target.there)
    # The candidates are those of a call that is gone.
    await bob.expects("CALL_ENDED", callId=call_id)
    await bob.expects_nothing_else()


# --- A clean close ends -----------------------------------------------------------------------------


@pytest.mark.parametrize("is_answered", [False, True])
async def test_clean_close_ends_calls_at_once(alice: Person, bob: Person, *, is_answered: bool) -> None:
    call_id = await (alice.talks_to(bob) if is_answered else alice.rings(bob))
    await bob.close()
    ended = await alice.expects("CALL_ENDED", seconds=1)
    assert ended == {"callId": call_id, "reason": "peer_disconnected"}
    await alice.send("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)
    await alice.expects_error("CALL_NOT_FOUND", "ICE_CANDIDATE", call_id)


async def test_close_by_the_caller_ends_what_rings(alice: Person, bob: Person) -> None:
    call_id = await alice.rings(bob)
    await alice.close()
    assert await bob.expects("CALL_ENDED", seconds=1) == {"callId": call_id, "reason": "peer_disconnected"}


async def test_close_frame_without_a_code_is_clean(alice: Person, bob: Person) -> None:
    call_id = await alice.talks_to(bob)
    # What a browser's `socket.close()` sends: masked, empty.
    bob.connection.transport.write(bytes.fromhex("8880 00000000"))
    assert await alice.expects("CALL_ENDED", seconds=1) == {"callId": call_id, "reason": "peer_disconnected"}


async def test_clean_close_ends_every_call_and_only_its_own(alice: Person, bob: Person, carol: Person) -> None:
    ended = {await alice.talks_to(bob), await alice.rings(bob), await bob.rings(alice)}
    other = await alice.talks_to(carol)
    await bob.close()
    assert {(await alice.expects("CALL_ENDED", reason="peer_disconnected"))["callId"] for _ in range(3)} == ended
    await alice.reaches(carol, other)


async def test_messages_right_before_a_clean_close_arrive(alice: Person, bob: Person) -> None:
    call_id = await alice.rings(bob)
    await bob.send("CALL_REJECT", callId=call_id, reason="busy")
    await bob.close()
    assert await alice.expects("CALL_REJECTED") == {"callId": call_id, "reason": "busy"}
    await alice.expects_nothing_else()


# --- Who goes away is soon back ---------------------------------------------------------------------


async def test_client_that_goes_away_finds_its_calls(join: Join, target: Target, alice: Person, bob: Person) -> None:
    call_id = await alice.talks_to(bob)
    await bob.close(1001)
    await alice.expects_nothing_else()
    bob = await returns(bob, join, target.there)
    await alice.reaches(bob, call_id)
    await bob.reaches(alice, call_id)


@pytest.fixture(scope="module", params=["memory", "redis"])
def brief(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    env = {"HOLD_GOING_AWAY_SECONDS": str(HOLD_SECONDS)}
    if request.param == "redis":
        env["REDIS_URL"] = request.getfixturevalue("redis_url").replace("/0", "/14")
    with server(env=env) as running:
        yield running


async def test_client_that_goes_away_is_held_for_less_long(join: Join, brief: RunningServer) -> None:
    alice, bob, carol = await join("alice", brief), await join("bob", brief), await join("carol", brief)
    gone, lost = await alice.talks_to(bob), await alice.talks_to(carol)
    await drops_having_read(carol, bob, lost)
    start = time.monotonic()
    await bob.close(1001)
    ended = await alice.expects("CALL_ENDED", seconds=HOLD_SECONDS + 3)
    assert ended == {"callId": gone, "reason": "peer_disconnected"}
    assert time.monotonic() - start >= HOLD_SECONDS * 0.9
    carol = await join("carol", brief, client_id=carol.id)
    await alice.reaches(carol, lost)


# --- Who does not come back -------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["ours", "uvicorn"])
def hasty(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    with server(request.param, env={"HOLD_SECONDS": str(HOLD_SECONDS)}) as running:
        yield running


@pytest.fixture(scope="module")
def hasty_redis(redis_url: str) -> Iterator[RunningServer]:
    with server(env={"HOLD_SECONDS": str(HOLD_SECONDS), "REDIS_URL": redis_url.replace("/0", "/15")}) as running:
        yield running


async def hold_expires(join: Join, where: RunningServer) -> None:
    """Two calls of a client that does not come back, and one that does."""
    alice, bob, carol = await join("alice", where), await join("bob", where), await join("carol", where)
    calls = {await alice.talks_to(bob), await alice.rings(bob)}
    kept = await alice.talks_to(carol)
    start = time.monotonic()
    await drops(bob, carol, next(iter(calls)))
    carol.drop()
    carol = await join("carol", where, client_id=carol.id)
    ended = [await alice.expects("CALL_ENDED", reason="peer_disconnected", seconds=5) for _ in range(2)]
    assert {call["callId"] for call in ended} == calls
    assert HOLD_SECONDS * 0.9 <= time.monotonic() - start < HOLD_SECONDS + 2
    await alice.reaches(carol, kept)
    # Too late: nothing is known of the calls any more.
    bob = await join("bob", where, client_id=bob.id)
    await bob.expects_nothing_else()
    for call_id in calls:
        await bob.send("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)
        await bob.expects_error("CALL_NOT_FOUND", "ICE_CANDIDATE", call_id)
    await alice.talks_to(bob)


async def test_hold_expires(join: Join, hasty: RunningServer) -> None:
    await hold_expires(join, hasty)


async def test_hold_expires_on_redis(join: Join, hasty_redis: RunningServer) -> None:
    await hold_expires(join, hasty_redis)


async def test_both_sides_may_stay_away(join: Join, hasty: RunningServer) -> None:
    alice, bob, carol = await join("alice", hasty), await join("bob", hasty), await join("carol", hasty)
    call_id = await alice.talks_to(bob)
    await drops(alice, carol, call_id)
    await drops(bob, carol, call_id)
    dave = await join("dave", hasty)
    async with asyncio.timeout(HOLD_SECONDS + 3):
        while True:
            # The callId is free again when the call is gone.
            await dave.send("CALL_INITIATE", targetId=carol.id, sdpOffer=OFFER, callId=call_id)
            await dave.send("HEARTBEAT")
            if (await dave.next_message())["type"] == "HEARTBEAT_ACK":
                break
            await dave.expects("HEARTBEAT_ACK")
            await asyncio.sleep(0.1)
    await carol.expects("INCOMING_CALL", callId=call_id)
