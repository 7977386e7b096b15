"""The auditor before a log of a real size, which tests/support/made_log makes."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.support.made_log import MadeLog, serving, sha256, vkey
from tests.support.servers import ROOT
from tools.faults.findings import Finding, all_of, at_most, noted

# Between this process and the program: what a program is said to have taken begins with what its parent had.
MEASURE = """
import resource, subprocess, sys, time
begin = time.monotonic()
subprocess.run(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(time.monotonic() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss, sep="\\n")
"""
MOST_SECONDS = 90
MOST_MIB = 1024
GROWS_BY = 1000


class Run(NamedTuple):
    """What an auditor said, and what it took."""

    said: str
    seconds: float
    cpu_seconds: float
    mib: float


async def audit(entries: int) -> list[Finding]:
    """Audit a log at once, after it grew, and after an entry without a right root; count seconds and memory."""
    log = await asyncio.to_thread(MadeLog().fill, entries)
    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="securecall-audit-") as folder, serving(files) as url:
        command = [sys.executable, "-m", "auditor", url, vkey(), "--state", str(Path(folder) / "state")]

        async def run() -> Run:
            files.clear()
            files.update(log.published(time.time()))
            return await asyncio.to_thread(audited, command)

        first = await run()
        log.fill(entries + GROWS_BY)
        second = await run()
        log.tree.put(sha256(b"hidden"), sha256(b"an update that has no entry"))
        log.append("somebody")
        third = await run()
    said = [
        f"{entries:,} entries" in first.said,
        f"{GROWS_BY:,} of them new" in second.said,
        _names(third.said, entries + GROWS_BY),
    ]
    return [
        all_of("Runs that said what is so: at once, after it grew, with an unexplained root", sum(said), len(said)),
        at_most(f"Time for {entries:,} entries", first.seconds, MOST_SECONDS, "s"),
        noted("Its CPU time", f"{first.cpu_seconds:.1f} s"),
        at_most("Memory", first.mib, MOST_MIB, "MiB"),
        at_most(f"Time for {GROWS_BY:,} more, from the state", second.seconds, MOST_SECONDS, "s"),
    ]


def _names(said: str, number: int) -> bool:
    return said.startswith(f"Entry {number:,} is wrong: its prefix root") and "The log signed it." in said


def audited(command: list[str], variables: Mapping[str, str] | None = None) -> Run:
    """Run an auditor with `variables` added to its environment."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *command],
        cwd=ROOT,
        env={**os.environ, **(variables or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    *said, seconds, cpu_seconds, kib = (done.stderr + done.stdout).splitlines()
    return Run("\n".join(said), float(seconds), float(cpu_seconds), float(kib) / 1024)
