"""A primary of Redis that is killed: three Sentinels put its replica in its place, under calls."""

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from contextlib import ExitStack

from tests.support.services.sentinel import Sentinels, sentinels
from tools.faults.calling import establish
from tools.faults.deploy import call_on
from tools.faults.findings import Finding, all_of, at_most, noted
from tools.faults.phone import Phone, until
from tools.faults.system import System, new_id

SETTLE_SECONDS = 3
# Sentinels ask a primary for its replicas every 10 s.
WATCHED_SECONDS = 30
WORKS_SECONDS = 5


async def failover(pairs: int, calls_per_second: float) -> list[Finding]:
    """Kill the primary of two processes while `pairs` of clients call each other at a steady rate."""
    with sentinels(3) as watched, ExitStack() as stack:
        return await _failover(
            System(stack, watched.primary, {"REDIS_URL": watched.url}), watched, pairs, calls_per_second
        )


async def _failover(running: System, watched: Sentinels, count: int, calls_per_second: float) -> list[Finding]:
    doors = [running.start().ws_url, running.start().ws_url]
    phones = [Phone(new_id("phone"), running.doors, door=doors[place % 2]) for place in range(2 * count + 2)]
    await asyncio.gather(*(phone.start() for phone in phones))
    *others, caller, callee = phones
    standing = await establish(caller, callee)
    await until(watched.is_watched, WATCHED_SECONDS)
    outcomes: Counter[str] = Counter()
    pairs = list(zip(others[::2], others[1::2], strict=True))
    calling = asyncio.create_task(call_on(pairs, calls_per_second, outcomes))
    await asyncio.sleep(SETTLE_SECONDS)
    started = outcomes["started"]
    os.kill(watched.primary.pid, signal.SIGKILL)
    killed_at = time.monotonic()
    works = await establish(callee, caller)
    works_after = time.monotonic() - killed_at
    await asyncio.sleep(SETTLE_SECONDS)
    calling.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await calling
    closes = sum((phone.closes for phone in phones), Counter[int]())
    errors = sum((phone.errors for phone in phones), Counter[str]())
    await asyncio.gather(*(phone.stop() for phone in phones))
    return [
        noted("Calls, of those begun before the kill", f"{outcomes['started']:,}, {started:,}"),
        at_most("A new call is answered after", works_after if works and standing else None, WORKS_SECONDS, "s"),
        at_most("Connections closed by it", closes.total(), 0),
        at_most("Calls ended by it", outcomes["ended by itself"], 0),
        all_of("Calls that went to their end", outcomes["finished"], outcomes["started"]),
        noted("Refused meanwhile", ", ".join(f"{number} {code}" for code, number in errors.items()) or "none"),
        noted("Candidates sent, and refused among them", f"{outcomes['messages']:,}, {outcomes['lost']:,}"),
    ]
