"""Cut connections off at any byte of what a client says, in four ways, and see that nothing of them stays."""

import asyncio
import random
from collections import Counter

from tests.support.servers import RunningServer
from tools.faults.bystanders import bystanders
from tools.faults.crowd import percentile
from tools.faults.cut import Cut, Plan, Victim, plan
from tools.faults.findings import Finding, all_of, at_most, noted
from tools.faults.phone import until
from tools.faults.readings import HASTY, MIB, Reading, growth, settled
from tools.faults.system import System, new_id, open_files, system
from tools.fuzz.servers import trouble_in

PAIRS_AT_ONCE = 100
# Before the first reading: it fills what the server makes once, pools and the allocator's arenas.
WARM_SHARE = 0.2
# Longer than a connection waits for a client that does not close its side.
LINGER_SECONDS = 15


async def chaos(connections: int, seed: int = 13) -> list[Finding]:
    """Cut so many connections off, in calls with each other, beside pairs that talk."""
    dice, done = random.Random(seed), Counter[str]()  # noqa: S311 -- dice that can be thrown again
    with system(HASTY) as running:
        process = running.start()
        await _cut_off(process, round(connections * WARM_SHARE), dice, Counter())
        before = await settled(running, [process])
        async with bystanders(process.ws_url) as hops:
            await _cut_off(process, connections, dice, done)
        after = await _settled_again(running, process, before)
        trouble = trouble_in(process.log)
    ended = done["ended"]
    return [
        noted("Connections that were cut off", ", ".join(f"{done[cut]:,} by {cut}" for cut in Cut)),
        noted("How far they had come", ", ".join(f"{done[stage]:,} {stage}" for stage in Victim.STAGES)),
        all_of("Close frames and half-closes after which the server closed its side", ended, done["waited"]),
        noted("Others' hop meanwhile, p99", f"{percentile(sorted(hops), 0.99) * 1000:,.1f} ms"),
        at_most("Lines of the log that tell of a bug", len(trouble), 0),
        at_most("Connections that stay", after.connections, 0),
        at_most("Registered clients that stay", after.registered + after.groups, 0),
        at_most("Keys left in Redis: clients, calls, held messages, addresses", after.keys.total(), 0),
        at_most("More open files", after.files - before.files, 0),
        at_most("More tasks of the event loop", after.tasks - before.tasks, 0),
        growth(f"resident memory, from {before.resident / MIB:.0f} MiB", before.resident, after.resident),
    ]


async def _settled_again(running: System, process: RunningServer, before: Reading) -> Reading:
    await until(lambda: open_files(process) <= before.files, LINGER_SECONDS)
    return await settled(running, [process])


async def _cut_off(process: RunningServer, count: int, dice: random.Random, done: Counter[str]) -> None:
    """Let pairs come and be cut off, so many at a time."""
    room = asyncio.Semaphore(PAIRS_AT_ONCE)
    # Thrown in order: what a client does must not depend on when it is its turn.
    pairs = [_pair(dice) for _ in range(count // 2)]

    async def live(pair: tuple[Plan, Plan]) -> None:
        async with room:
            caller, callee = (Victim(process, one) for one in pair)
            await asyncio.gather(callee.live(), caller.live(after=callee))
            for victim in (caller, callee):
                done[victim.plan.cut] += 1
                done[victim.stage] += 1
                done["waited"] += victim.waits
                done["ended"] += victim.was_ended

    await asyncio.gather(*map(live, pairs))


def _pair(dice: random.Random) -> tuple[Plan, Plan]:
    caller, callee = new_id("caller"), new_id("callee")
    return plan(dice, caller, calls=callee), plan(dice, callee, called_by=caller)
