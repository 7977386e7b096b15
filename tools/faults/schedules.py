"""Random schedules of clients, pings and lines against the model of the protocol, in one process and across two."""

import asyncio
import os
import re
import sys

from tests.support.servers import ROOT
from tools.faults.findings import Finding, all_of

TESTS = "signaling/tests/test_any_proofs.py"
# In one process, and across two with Redis.
PLACES = 2


async def schedules(count: int) -> list[Finding]:
    """Run so many new schedules, half of them across two processes."""
    # Each test is one long run; what it draws is new each time.
    pytest = [sys.executable, "-m", "pytest", TESTS, "--quiet", "--numprocesses=2", "--timeout=0"]
    running = await asyncio.create_subprocess_exec(
        *pytest,
        *("-p", "no:cacheprovider"),
        cwd=ROOT,
        env=os.environ | {"MODEL_EXAMPLES": str(count // PLACES)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await running.communicate()
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    passed = re.search(r"(\d+) passed", output.decode())
    if running.returncode:
        print(output.decode()[-10_000:])
    return [
        all_of(
            "Schedules in which each connection was told what the model says",
            int(passed[1]) * count // PLACES if passed else 0,
            count,
        )
    ]
