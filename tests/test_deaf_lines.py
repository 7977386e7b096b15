"""A line that loses everything without a word: its client comes back, and has missed nothing."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from tests.support.deaf_lines import DeafLines
from tests.support.people import ANSWER, OFFER, Person, Target, new_call_id

Connect = Callable[..., Awaitable[Person]]


@pytest.fixture
async def lines(target: Target) -> AsyncIterator[DeafLines]:
    """Lines to the server there, which is another process where there are two."""
    async with DeafLines.before(target.there) as lines:
        yield lines


@pytest.fixture
async def connect(lines: DeafLines) -> AsyncIterator[Connect]:
    """Connects and registers a client on a line of its own; its close is short, as its line may be dead."""
    async with AsyncExitStack() as stack:

        async def connect(client_id: str = "") -> Person:
            person = Person(lines.ws_url, client_id or f"bob-{secrets.token_hex(6)}", close_timeout=0.1)
            await stack.enter_async_context(person)
            return await person.registers()

        yield connect


async def calls(alice: Person, bob: Person) -> str:
    """Have Alice call Bob, who may not hear it, and send two candidates."""
    call_id = new_call_id()
    await alice.send("CALL_INITIATE", targetId=bob.id, sdpOffer=OFFER, callId=call_id)
    for word in ("1", "2"):
        await alice.send("ICE_CANDIDATE", callId=call_id, candidate=word)
    await alice.expects_nothing_else()
    return call_id


async def rings_with_candidates(bob: Person, call_id: str) -> None:
    """Expect what `calls` sent, and nothing else."""
    await bob.expects("INCOMING_CALL", callId=call_id, sdpOffer=OFFER)
    for word in ("1", "2"):
        await bob.expects("ICE_CANDIDATE", callId=call_id, candidate=word)
    await bob.expects_nothing_else()


async def test_ring_that_was_lost_rings_on_the_next_line(alice: Person, connect: Connect, lines: DeafLines) -> None:
    bob = await connect()
    lines.lines[-1].dies()
    call_id = await calls(alice, bob)
    bob = await connect(bob.id)
    await rings_with_candidates(bob, call_id)
    await bob.send("CALL_ACCEPT", callId=call_id, sdpAnswer=ANSWER)
    await alice.expects("CALL_ACCEPTED", callId=call_id)


async def test_app_that_starts_anew_while_it_rings_rings_again(
    alice: Person, connect: Connect, lines: DeafLines
) -> None:
    bob = await connect()
    call_id = await calls(alice, bob)
    await rings_with_candidates(bob, call_id)
    await bob.has_proved()
    lines.lines[-1].dies()
    bob = await connect(bob.id)
    await rings_with_candidates(bob, call_id)


async def test_answer_that_was_lost_follows(alice: Person, connect: Connect, lines: DeafLines) -> None:
    bob = await connect()
    call_id = await bob.rings(alice)
    lines.lines[-1].dies()
    await alice.send("CALL_ACCEPT", callId=call_id, sdpAnswer=ANSWER)
    await alice.send("ICE_CANDIDATE", callId=call_id, candidate="1")
    await alice.expects_nothing_else()
    bob = await connect(bob.id)
    await bob.expects("CALL_ACCEPTED", callId=call_id, sdpAnswer=ANSWER)
    await bob.expects("ICE_CANDIDATE", callId=call_id, candidate="1")
    await bob.reaches(alice, call_id)
    await alice.reaches(bob, call_id)


async def test_candidate_that_was_lost_follows_alone(alice: Person, connect: Connect, lines: DeafLines) -> None:
    bob = await connect()
    call_id = await alice.talks_to(bob)
    await alice.reaches(bob, call_id)
    await bob.has_proved()
    lines.lines[-1].dies()
    await alice.send("ICE_CANDIDATE", callId=call_id, candidate="lost")
    await alice.expects_nothing_else()
    bob = await connect(bob.id)
    await bob.expects("ICE_CANDIDATE", callId=call_id, candidate="lost")
    await bob.expects_nothing_else()


@pytest.mark.parametrize("kind", ["CALL_END", "CALL_REJECT"])
async def test_end_that_was_lost_follows_alone(alice: Person, connect: Connect, lines: DeafLines, kind: str) -> None:
    bob = await connect()
    call_id = await bob.rings(alice)
    lines.lines[-1].dies()
    await alice.send("ICE_CANDIDATE", callId=call_id, candidate="lost")
    await alice.send(kind, callId=call_id, reason="bye")
    await alice.expects_nothing_else()
    bob = await connect(bob.id)
    await bob.expects({"CALL_END": "CALL_ENDED", "CALL_REJECT": "CALL_REJECTED"}[kind], callId=call_id, reason="bye")
    await bob.expects_nothing_else()


async def test_line_that_is_deaf_to_the_client_alone_is_no_proof(
    alice: Person, connect: Connect, lines: DeafLines
) -> None:
    bob = await connect()
    call_id = await alice.talks_to(bob)
    await bob.has_proved()
    lines.lines[-1].goes_deaf()
    await alice.send("CALL_END", callId=call_id)
    await alice.expects_nothing_else()
    # What it says arrives, and proves nothing.
    await bob.send("HEARTBEAT")
    bob = await connect(bob.id)
    await bob.expects("CALL_ENDED", callId=call_id)
    await bob.expects_nothing_else()
