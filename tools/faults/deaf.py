"""Let lines lose what the server sends, without a word, while calls are placed, answered and ended through them."""

import asyncio
import math
import random
import time
from collections import Counter

from tests.support.deaf_lines import DeafLines, Line
from tools.faults.calling import whole_call
from tools.faults.findings import Finding, all_of, at_most, noted
from tools.faults.phone import Phone
from tools.faults.system import new_id, system

DEAF_SHARE = 0.1
ROUND_SECONDS = 1.0
# How long a client needs to notice; it is back a second or two later.
NOTICED_SECONDS = (1.0, 8.0)


async def deaf(pairs: int, seconds: float, seed: int = 14) -> list[Finding]:
    """Let pairs call again and again, on two processes, while a tenth of the lines goes deaf each second."""
    dice = random.Random(seed)  # noqa: S311 -- dice that can be thrown again
    outcomes: Counter[str] = Counter()
    with system() as running:
        processes = [running.start(), running.start()]
        async with DeafLines.before(processes[0]) as here, DeafLines.before(processes[1]) as there:
            doors = [here.ws_url, there.ws_url]
            callers = [Phone(new_id("caller"), doors, door=doors[number % 2]) for number in range(pairs)]
            # Half of them at the other process.
            callees = [Phone(new_id("callee"), doors, door=doors[number // 2 % 2]) for number in range(pairs)]
            phones = [*callers, *callees]
            await asyncio.gather(*(phone.start() for phone in phones))
            deadline = time.monotonic() + seconds
            async with asyncio.TaskGroup() as group:
                group.create_task(_lose([here, there], dice, deadline, outcomes))
                for caller, callee in zip(callers, callees, strict=True):
                    group.create_task(_talk(caller, callee, deadline, outcomes))
            await asyncio.gather(*(phone.stop() for phone in phones))
    return _findings(outcomes)


async def _talk(caller: Phone, callee: Phone, deadline: float, outcomes: Counter[str]) -> None:
    while time.monotonic() < deadline:
        await whole_call(caller, callee, outcomes)


async def _lose(proxies: list[DeafLines], dice: random.Random, deadline: float, outcomes: Counter[str]) -> None:
    async with asyncio.TaskGroup() as group:
        while time.monotonic() < deadline:
            await asyncio.sleep(ROUND_SECONDS)
            lines = [line for proxy in proxies for line in proxy.lines if line.is_alive]
            for line in dice.sample(lines, math.ceil(len(lines) * DEAF_SHARE)):
                line.goes_deaf()
                outcomes["deaf"] += 1
                group.create_task(_cut_later(line, dice.uniform(*NOTICED_SECONDS)))


async def _cut_later(line: Line, seconds: float) -> None:
    await asyncio.sleep(seconds)
    line.is_left_by_client()


def _findings(outcomes: Counter[str]) -> list[Finding]:
    started = outcomes["started"]
    return [
        noted("Lines that went deaf", f"{outcomes['deaf']:,}"),
        all_of("Calls that were placed, answered, talked through and ended", outcomes["finished"], started),
        at_most("Rings or answers lost", outcomes["never answered"], 0),
        at_most("Calls ended by it", outcomes["ended by itself"], 0),
        at_most("Hang-ups lost", outcomes["never ended"], 0),
        at_most(f"Candidates lost, of {outcomes['messages']:,}", outcomes["lost"], 0),
        at_most("Calls whose candidates came out of order", outcomes["out of order"], 0),
        at_most("Candidates that an application heard twice", outcomes["came twice"], 0),
    ]
