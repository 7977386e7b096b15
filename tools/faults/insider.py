"""Somebody with the database changes any column of any row, on both databases."""

import asyncio
import sys
from collections.abc import Mapping
from os import environ

from tests.support.servers import ROOT
from tests.support.services import postgres_server
from tools.faults.findings import Finding

CHANGED = "signaling/tests/test_insider.py"


async def insider() -> list[Finding]:
    """Have the tests judge each change of each row, on SQLite and on Postgres."""
    with postgres_server() as server:
        databases: list[tuple[str, Mapping[str, str]]] = [
            ("SQLite", {}),
            ("Postgres", {"TEST_DATABASE_URL": server.url}),
        ]
        return [await _judged(name, settings) for name, settings in databases]


async def _judged(name: str, settings: Mapping[str, str]) -> Finding:
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "--long", "-p", "no:cacheprovider", CHANGED]
    started = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={**environ, **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await started.communicate()
    said = "".join(output.decode().strip().splitlines()[-1:])
    return Finding(f"Every change of a row that is noticed, on {name}", "1 passed", said, not started.returncode)
