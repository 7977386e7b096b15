"""Strangers and thieves against the owners of client IDs, on two processes: each REGISTER falls around a statement."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pkd.tests.owners import DIRECTORY
from tests.support.client import Client
from tests.support.people import OFFER, Person
from tests.support.servers import environment, migrate
from tests.support.services import postgres_server
from tools.faults.aim import Aim
from tools.faults.findings import Finding, all_of, noted
from tools.faults.listener import CLOSED, Listener
from tools.faults.owning import (
    OWNER,
    RESTORED,
    Patient,
    challenged,
    claim,
    is_refused,
    is_signed,
    recover,
    sign,
    sign_in,
)
from tools.faults.system import new_id, system

STRANGERS = 10
AT_ONCE = 4
# A connection that never registers is closed after 60 s.
OWNERS_A_CROWD = 5
LOOK_SECONDS = 0.05
SUPERSEDED = 4409

# What came of a schedule; only the last is a fault.
REFUSED, THROWN_OUT, BEFORE, TAKEN = "refused", "thrown out", "first, of an ID that nobody owned yet", "**took it**"

Doors = tuple[str, str]


Schedule = Callable[[Doors, AsyncExitStack, Aim], Awaitable[str]]


async def owners(tries: int, schedules: int) -> list[Finding]:
    """Run the races at this size on two processes with a Postgres and a Redis of their own."""
    with _two_processes() as doors:
        return await races(doors, tries, schedules)


@contextmanager
def _two_processes() -> Iterator[Doors]:
    unlimited = dict.fromkeys(("LIMIT_NEW_IDENTITIES_PER_HOUR", "LIMIT_PKD_LOOKUPS_PER_MINUTE"), "0")
    with postgres_server() as postgres, TemporaryDirectory(prefix="securecall-") as name:
        env = {"DATABASE_URL": postgres.url, "DIRECTORY_NAME": DIRECTORY, **unlimited}
        migrate(environment(Path(name) / "unused.sqlite3", env))
        with system(env) as running:
            yield running.start().ws_url, running.start().ws_url


async def races(doors: Doors, tries: int, schedules: int) -> list[Finding]:
    """Run the races on two processes of a system that limits nobody."""
    refused = await _after_the_first_answer(doors, tries // STRANGERS)
    return [
        all_of("REGISTERs of strangers right after an owner's first answer that were refused", refused, tries),
        *_told("Strangers' REGISTERs around an owner's first statement", await _all(around_a_claim, doors, schedules)),
        *_told("Thieves' signed REGISTERs around a recovery", await _all(around_a_recovery, doors, schedules)),
    ]


def _told(what: str, outcomes: Counter[str]) -> list[Finding]:
    count = outcomes.total()
    shown = ", ".join(f"{outcomes[outcome]:,} {outcome}" for outcome in (REFUSED, THROWN_OUT, BEFORE))
    return [
        all_of(f"{what} that took nothing from the owner", count - outcomes[TAKEN], count),
        noted("They were", shown),
    ]


async def _all(schedule: Schedule, doors: Doors, count: int) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    numbers = iter(range(count))

    async def work() -> None:
        aim = Aim()
        for number in numbers:
            async with AsyncExitStack() as stack:
                outcomes[await schedule(doors if number % 2 else doors[::-1], stack, aim)] += 1

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return outcomes


async def _after_the_first_answer(doors: Doors, count: int) -> int:
    """Let strangers on the other process register as soon as an owner has his answer; returns how many are refused."""
    refused = 0
    crowds = iter(range(0, count, OWNERS_A_CROWD))

    async def work() -> None:
        nonlocal refused
        for begin in crowds:
            here, there = doors if begin // OWNERS_A_CROWD % 2 else doors[::-1]
            async with AsyncExitStack() as stack:
                strangers = [await stack.enter_async_context(Patient(there, "")) for _ in range(STRANGERS)]
                for _ in range(min(OWNERS_A_CROWD, count - begin)):
                    async with Patient(here, new_id("owner")) as owner:
                        await claim(await owner.registers())
                        await is_signed(owner, claim)
                        for stranger in strangers:
                            await stranger.send("REGISTER", clientId=owner.id)
                        answers = [await is_refused(stranger) for stranger in strangers]
                        # Not in one line: another crowd counts while this one waits.
                        refused += sum(answers)
                        await owner.expects_nothing_else()

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return refused


async def around_a_claim(doors: Doors, stack: AsyncExitStack, aim: Aim) -> str:
    """Let a stranger register on the other process while an owner's first statement is accepted."""
    owner, bob, _ = await _talking(doors[0], stack)
    stranger = await stack.enter_async_context(Client(doors[1]))
    async with Listener(owner) as of_owner, Listener(stranger) as of_stranger:
        await aim.around(claim(owner), stranger.send("REGISTER", clientId=owner.id))
        answer = await of_owner.hears("PKD_RESULT", "ERROR", CLOSED)
        if answer == "PKD_RESULT":
            aim.note_answer()
        is_in = await of_stranger.hears("REGISTERED", "ERROR", CLOSED) != "ERROR"
        if answer != "PKD_RESULT" and not await _is_owned(bob, owner.id, tries=1 if answer == "ERROR" else 5):
            return BEFORE
        # Whoever registered before the statement is thrown out, with all that he had got.
        if is_in and await of_stranger.closes() != SUPERSEDED:
            return TAKEN
        heard = len(of_stranger.heard)
        again = await stack.enter_async_context(Patient(doors[1], owner.id))
        await sign_in(again, OWNER)
        async with Listener(again) as of_again:
            await of_again.hears("REGISTERED")
            await bob.send("CALL_INITIATE", targetId=owner.id, sdpOffer=OFFER)
            await of_again.hears("INCOMING_CALL")
        if len(of_stranger.heard) != heard:
            return TAKEN
    return THROWN_OUT if is_in else REFUSED


async def around_a_recovery(doors: Doors, stack: AsyncExitStack, aim: Aim) -> str:
    """Let the thief of a key register on the other process while a recovery by its owner is accepted."""
    owner, bob, call_id = await _talking(doors[0], stack)
    await claim(owner)
    await is_signed(owner, claim)
    owner.drop()
    victim, thief, late = [
        await stack.enter_async_context(Patient(door, owner.id)) for door in (doors[0], doors[1], doors[1])
    ]
    challenge = await challenged(thief)
    async with Listener(thief) as of_thief:
        await aim.around(recover(victim), sign(thief, OWNER, challenge))
        await is_signed(victim, recover)
        aim.note_answer()
        # From here on the old key is worth nothing, on any process.
        await sign_in(late, OWNER)
        if not await is_refused(late):
            return TAKEN
        is_in = await of_thief.hears("REGISTERED", "ERROR", CLOSED) != "ERROR"
        if is_in and await of_thief.closes() != SUPERSEDED:
            return TAKEN
        await bob.expects("CALL_ENDED", callId=call_id, reason="peer_disconnected")
        heard = len(of_thief.heard)
        await bob.send("CALL_INITIATE", targetId=owner.id, sdpOffer=OFFER)
        await bob.expects("ERROR", code="TARGET_NOT_FOUND")
        await sign_in(victim, RESTORED)
        # Nothing that was held or open is the owner's either: it may be the thief's.
        is_clean = "calls" not in await victim.expects("REGISTERED")
        await victim.expects_nothing_else()
    if not is_clean or len(of_thief.heard) != heard:
        return TAKEN
    return THROWN_OUT if is_in else REFUSED


async def _talking(door: str, stack: AsyncExitStack) -> tuple[Person, Person, str]:
    """Connect an owner and Bob, who are in a call."""
    owner, bob = [await stack.enter_async_context(Patient(door, new_id(name))) for name in ("owner", "bob")]
    return owner, bob, await (await owner.registers()).talks_to(await bob.registers())


async def _is_owned(asking: Person, client_id: str, tries: int) -> bool:
    """Return whether a client ID belongs to a key; a statement may still be under way."""
    for number in range(tries):
        await asyncio.sleep(LOOK_SECONDS * number)
        async with Client(asking.url) as client:
            await client.send("PKD_LOOKUP", clientId=client_id, after=-1)
            if (await client.expects("PKD_RESULT"))["status"] == "signed":
                return True
    return False
