"""What processes hold, read from outside: to compare them before and after clients have come and gone."""

import asyncio
import re
import secrets
from collections import Counter
from dataclasses import dataclass

from tests.support.servers import RunningServer
from tools.faults.findings import Finding, at_most
from tools.faults.phone import until
from tools.faults.system import System, open_files, resident_bytes, threads

# Short, so that what is held has been let go of by the end; they are settings.
HASTY = {"HOLD_SECONDS": "3", "RING_TIMEOUT_SECONDS": "5", "METRICS_TOKEN": secrets.token_hex(16)}
SETTLE_SECONDS = 10
MOST_GROWTH_PERCENT = 5
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Reading:
    """The sums over all processes, and what is in Redis."""

    resident: int
    files: int
    threads: int
    tasks: int
    connections: int
    registered: int
    groups: int
    keys: Counter[str]

    @classmethod
    def of(cls, running: System, processes: list[RunningServer]) -> "Reading":
        """Read it now."""
        return cls(
            # First, for the connection of a scrape may be open a moment longer than its answer takes.
            files=sum(map(open_files, processes)),
            tasks=_sum(processes, "securecall_tasks"),
            connections=_sum(processes, "securecall_connections"),
            registered=_sum(processes, "securecall_registered_clients"),
            groups=_sum(processes, "securecall_groups"),
            resident=sum(map(resident_bytes, processes)),
            threads=sum(map(threads, processes)),
            keys=running.left_in_redis(),
        )


async def settled(running: System, processes: list[RunningServer]) -> Reading:
    """Read it once nothing is held any more, or after 10 s."""
    await until(lambda: not running.left_in_redis(), SETTLE_SECONDS)
    # A scrape needs a thread the first time.
    _sum(processes, "securecall_tasks")
    await asyncio.sleep(1)
    return Reading.of(running, processes)


def growth(what: str, before: int, after: int) -> Finding:
    """Return a finding on something that must be where it was, or 5 % above."""
    return at_most(f"Growth of {what}", max(0.0, 100 * (after / before - 1)), MOST_GROWTH_PERCENT, "%")


def _sum(processes: list[RunningServer], gauge: str) -> int:
    return sum(_gauge(process, gauge) for process in processes)


def _gauge(process: RunningServer, name: str) -> int:
    _, body = process.get("/metrics", {"Authorization": f"Bearer {HASTY['METRICS_TOKEN']}"})
    found = re.search(rf"^{name} (\S+)$", body, re.MULTILINE)
    if found is None:
        raise ValueError(f"There is no {name} among the metrics.")
    return round(float(found[1]))
