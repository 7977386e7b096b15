"""Rolling deploys under load: each process is replaced, one after the other, by one of the same version or another."""

import asyncio
import contextlib
import itertools
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.support.released import VERSION, released_tree
from tests.support.servers import ROOT
from tools.faults.calling import whole_call
from tools.faults.findings import Finding, all_of, at_most, noted
from tools.faults.phone import Phone, until
from tools.faults.system import System, new_id, system

SERVICE_RESTART = 1012
SETTLE_SECONDS = 2
END_SECONDS = 45
# A client tries again after 30 s at most.
BACK_SECONDS = 35


async def deploy(pairs: int, calls_per_second: float, settle_seconds: float = SETTLE_SECONDS) -> list[Finding]:
    """Replace both of two processes while `pairs` of clients call each other at a steady rate."""
    return await _deploy(ROOT, ROOT, pairs, calls_per_second, settle_seconds)


async def upgrade(pairs: int, calls_per_second: float, settle_seconds: float = SETTLE_SECONDS) -> list[Finding]:
    """Replace the newest release by this version under such calls, and, in a system of its own, the other way round."""
    with tempfile.TemporaryDirectory(prefix="securecall-") as folder:
        release = released_tree(Path(folder))
        findings = []
        for old, new, way in ((release, ROOT, f"From {VERSION}"), (ROOT, release, f"Back to {VERSION}")):
            found = await _deploy(old, new, pairs, calls_per_second, settle_seconds)
            findings += [replace(finding, what=f"{way}: {finding.what}") for finding in found]
        return findings


async def _deploy(
    before: Path, after: Path, pairs: int, calls_per_second: float, settle_seconds: float
) -> list[Finding]:
    with system() as running:
        return await _deploy_on(running, (before, after), pairs, calls_per_second, settle_seconds)


async def _deploy_on(
    running: System, code: tuple[Path, Path], count: int, calls_per_second: float, settle_seconds: float
) -> list[Finding]:
    before, after = code
    old = [running.start(before), running.start(before)]
    phones = [Phone(new_id("phone"), running.doors, door=old[place % 2].ws_url) for place in range(2 * count)]
    await asyncio.gather(*(phone.start() for phone in phones))
    pairs = list(zip(phones[::2], phones[1::2], strict=True))
    outcomes: Counter[str] = Counter()
    calling = asyncio.create_task(call_on(pairs, calls_per_second, outcomes))
    statuses = []
    begin = time.monotonic()
    for stopping in old:
        await asyncio.sleep(settle_seconds)
        # In a thread: the clients live on while it starts.
        await asyncio.to_thread(running.start, after)
        running.close_door(stopping)
        stopping.signal(signal.SIGTERM)
        statuses.append(await asyncio.to_thread(stopping.wait))
    await asyncio.sleep(settle_seconds)
    seconds = time.monotonic() - begin
    calling.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await calling
    closes = sum((phone.closes for phone in phones), Counter[int]())
    errors = sum((phone.errors for phone in phones), Counter[str]())
    await until(lambda: all(phone.registered.is_set() for phone in phones), BACK_SECONDS)
    back = sum(phone.registered.is_set() for phone in phones)
    await asyncio.gather(*(phone.stop() for phone in phones))
    others = closes.total() - closes[SERVICE_RESTART]
    away = sorted(itertools.chain.from_iterable(phone.away_seconds[1:] for phone in phones))
    return [
        noted("Calls", f"{outcomes['started']:,}, {outcomes['started'] / seconds:.0f} a second"),
        Finding("Exit status of the stopped processes", "0, 0", ", ".join(map(str, statuses)), statuses == [0, 0]),
        at_most("Closes other than 1012", others, 0),
        noted("Closes with 1012", f"{closes[SERVICE_RESTART]:,}"),
        all_of("Clients that are back at the end", back, len(phones)),
        at_most("Longest away, from the close to REGISTERED", max(away, default=0), 10, "s"),
        at_most("Calls ended by it", outcomes["ended by itself"], 0),
        all_of("Calls that went to their end", outcomes["finished"], outcomes["started"]),
        noted("Candidates sent", f"{outcomes['messages']:,}"),
        at_most("Lost", outcomes["lost"], 0),
        at_most("Calls whose candidates came out of order", outcomes["out of order"], 0),
        noted(
            "Said again because a close may have crossed it, of that came twice",
            f"{sum(phone.repeated for phone in phones):,}, {outcomes['came twice']:,}",
        ),
        noted("Refusals on the way", ", ".join(f"{number} {code}" for code, number in errors.items()) or "none"),
    ]


async def call_on(pairs: list[tuple[Phone, Phone]], calls_per_second: float, outcomes: Counter[str]) -> None:
    """Start calls at a steady rate on pairs that are free; when cancelled, wait for those under way."""
    busy: dict[int, asyncio.Task[None]] = {}
    places: Iterator[int] = itertools.cycle(range(len(pairs)))
    begin = time.monotonic()
    try:
        for number in itertools.count():
            await asyncio.sleep(max(0.0, begin + number / calls_per_second - time.monotonic()))
            free = next((place for place in itertools.islice(places, len(pairs)) if _is_free(busy, place)), None)
            if free is not None:
                busy[free] = asyncio.create_task(whole_call(*pairs[free], outcomes))
    finally:
        await asyncio.wait(busy.values(), timeout=END_SECONDS)


def _is_free(busy: dict[int, asyncio.Task[None]], place: int) -> bool:
    return place not in busy or busy[place].done()
