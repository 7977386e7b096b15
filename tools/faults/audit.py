"""The auditor before a log of a real size, which tests/support/made_log makes."""

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.made_log import MadeLog, serving, sha256, vkey
from tests.support.servers import ROOT
from tools.faults.findings import Finding, all_of, at_most

# Between this process and the program: what a program is said to have taken begins with what its parent had.
MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, sep="\\n")
"""
MOST_SECONDS = 90
MOST_MIB = 1024
GROWS_BY = 1000


async def audit(entries: int) -> list[Finding]:
    """Audit a log at once, after it grew, and after an entry without a right root; count CPU seconds and memory.

    The machine also makes the log, so seconds are those that the auditor ran.
    """
    log = await asyncio.to_thread(MadeLog().fill, entries)
    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory(prefix="securecall-audit-") as folder, serving(files) as url:
        command = [sys.executable, "-m", "auditor", url, vkey(), "--state", str(Path(folder) / "state")]

        async def run() -> tuple[str, float, float]:
            files.clear()
            files.update(log.published(time.time()))
            return await asyncio.to_thread(_run, command)

        first, seconds, mib = await run()
        log.fill(entries + GROWS_BY)
        second, seconds_again, _ = await run()
        log.tree.put(sha256(b"hidden"), sha256(b"an update that has no entry"))
        log.append("somebody")
        third, _, _ = await run()
    said = [f"{entries:,} entries" in first, f"{GROWS_BY:,} of them new" in second, _names(third, entries + GROWS_BY)]
    return [
        all_of("Runs that said what is so: at once, after it grew, with an unexplained root", sum(said), len(said)),
        at_most(f"CPU time for {entries:,} entries", seconds, MOST_SECONDS, "s"),
        at_most("Memory", mib, MOST_MIB, "MiB"),
        at_most(f"CPU time for {GROWS_BY:,} more, from the state", seconds_again, MOST_SECONDS, "s"),
    ]


def _names(said: str, number: int) -> bool:
    return said.startswith(f"Entry {number:,} is wrong: its prefix root") and "The log signed it." in said


def _run(command: list[str]) -> tuple[str, float, float]:
    """Run a program; returns what it said, the CPU seconds and the MiB that it took."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    *said, seconds, kib = (done.stderr + done.stdout).splitlines()
    return "\n".join(said), float(seconds), float(kib) / 1024
