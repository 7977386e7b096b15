"""The log's checkpoints, proofs and tiles before verifiers that others wrote."""

import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.made_log import MadeLog, serving
from tests.support.servers import ROOT
from tests.verifiers.cases import Case, accepted, cases, changed, readings
from tests.verifiers.programs import Verifier, installed
from tools.faults.findings import Finding, all_of, at_most

SERVED = "tests/verifiers/served.py"
SIZES = (1, 2, 255, 256, 257, 65_535, 65_536, 65_537)


async def verifiers(sizes: Sequence[int] = SIZES) -> list[Finding]:
    """Let each verifier judge right proofs of every size, and all of them with any byte flipped."""
    log = MadeLog().fill(max(sizes))
    right = [case for size in sizes for case in cases(log, size)]
    with tempfile.TemporaryDirectory(prefix="securecall-verifiers-") as folder:
        findings = [
            finding
            for verifier in installed(Path(folder))
            for finding in (*_judged(verifier, right), *(_read(verifier, log, sizes) if verifier.reads_tiles else ()))
        ]
    return [*findings, await _served()] if max(sizes) == max(SIZES) else findings


async def _served() -> Finding:
    """Let each verifier read what the server itself serves."""
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", SERVED]
    started = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await started.communicate()
    said = output.decode().strip().splitlines()[-1:]
    return Finding(
        "All of them, at every size, from the server itself", "1 passed", "".join(said), not started.returncode
    )


def _judged(verifier: Verifier, right: Sequence[Case]) -> list[Finding]:
    wrong = [other for case in right for other in changed(case, consistency=verifier.checks_consistency)]
    judged = accepted(verifier.verdicts(right))
    return [
        all_of(f"{verifier.name}: right proofs accepted", judged, len(right)),
        at_most(f"{verifier.name}: of {len(wrong):,} with one change accepted", accepted(verifier.verdicts(wrong)), 0),
    ]


def _read(verifier: Verifier, log: MadeLog, sizes: Sequence[int]) -> list[Finding]:
    files: dict[str, bytes] = {}
    read = judged = changes = passed = 0
    with serving(files) as url:
        for size in sizes:
            files.clear()
            files |= log.published(time.time(), size)
            given = readings(log, size, url)
            read += len(given)
            judged += accepted(verifier.verdicts(given))
        # Of the largest tree: the tiles that are on the way to some entry.
        for name in [name for name in files if name.startswith("tile/") and _is_met(name)]:
            whole = files[name]
            files[name] = bytes(byte ^ 1 for byte in whole)
            changes += 1
            passed += accepted(verifier.verdicts(given)) == len(given)
            files[name] = whole
    return [
        all_of(f"{verifier.name}: readings of tiles accepted", judged, read),
        at_most(f"{verifier.name}: of {changes} changed tiles unnoticed", passed, 0),
    ]


def _is_met(name: str) -> bool:
    """Return whether the way to the first or the last entry meets a tile."""
    return name.endswith("/000") or ".p/" in name
