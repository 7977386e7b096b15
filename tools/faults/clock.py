"""The wall clock is set an hour forward, and then two hours back, under every process."""

import asyncio
import tempfile
from pathlib import Path

from securecall_client import CallEnded
from tests.support.services import WallClock
from tools.faults.calling import establish, establish_all, trickle
from tools.faults.findings import Finding, all_of, at_most
from tools.faults.phone import Phone, until
from tools.faults.system import System, new_id, system

HOUR_SECONDS = 3600
# Long enough for every process to look for what has timed out, which it does each second.
WATCH_SECONDS = 2.5
ANSWER_SECONDS = 5

Pair = tuple[Phone, Phone]


async def clock(calls: int, watch_seconds: float = WATCH_SECONDS) -> list[Finding]:
    """Set the clock under two processes with `calls` across both; look for so long what comes of it."""
    with tempfile.TemporaryDirectory(prefix="securecall-clock-") as name:
        wall = WallClock(Path(name))
        with system(wall.environment) as running:
            return await _clock(running, wall, calls, watch_seconds)


async def _clock(running: System, wall: WallClock, count: int, watch_seconds: float) -> list[Finding]:
    here, there = running.start(), running.start()
    pairs = [
        (
            await Phone(new_id("caller"), running.doors, door=here.ws_url).start(),
            await Phone(new_id("callee"), running.doors, door=there.ws_url).start(),
        )
        for _ in range(count)
    ]
    ids = await establish_all(pairs)
    findings, newcomers = [], []
    for number, (words, seconds) in enumerate((("forward", HOUR_SECONDS), ("back", -HOUR_SECONDS))):
        wall.set_to(seconds)
        await asyncio.sleep(watch_seconds)
        newcomers.append(await Phone(new_id("newcomer"), running.doors).start())
        goes_on = await _goes_on(pairs, ids, number)
        new = [await establish(newcomers[-1], callee) for _, callee in pairs[:1]]
        findings += [
            at_most(f"Set {words}: every call goes on after", goes_on, ANSWER_SECONDS, "s"),
            all_of(f"Set {words}: new calls by a new client that are answered", sum(map(bool, new)), len(new)),
        ]
    phones = [*(phone for pair in pairs for phone in pair), *newcomers]
    ended = sum(isinstance(message, CallEnded) for phone in phones for message in phone.heard)
    findings += [
        at_most("Connections closed", sum(phone.closes.total() for phone in phones), 0),
        at_most("Calls ended", ended, 0),
        at_most("Errors", sum(phone.errors.total() for phone in phones), 0),
    ]
    for phone in phones:
        await phone.stop()
    return findings


async def _goes_on(pairs: list[Pair], ids: list[str], number: int) -> float | None:
    calls = list(zip(pairs, ids, strict=True))
    await asyncio.gather(*(trickle(caller, call_id, range(number, number + 1)) for (caller, _), call_id in calls))
    return await until(
        lambda: all(callee.candidates[call_id] == list(range(number + 1)) for (_, callee), call_id in calls),
        ANSWER_SECONDS,
    )
