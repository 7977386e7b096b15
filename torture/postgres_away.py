"""Postgres is away for a while, or hangs: calls go on, and the directory says that it cannot."""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.people import Person
from tests.servers import ROOT, environment, server
from tests.services import postgres_server
from torture.findings import Finding, all_of, at_most, noted
from torture.phone import until
from torture.system import RAISED, new_id

CLIENTS = 10
ANSWER_SECONDS = 5.5
PATIENCE_SECONDS = 20
SPEAK_SECONDS = 0.05


async def postgres_away(seconds: float) -> list[Finding]:
    """Stop it for so long, and then let it hang for as long."""
    with postgres_server() as postgres, TemporaryDirectory(prefix="securecall-") as name:
        env = {"DATABASE_URL": postgres.url}
        _migrate(Path(name) / "unused.sqlite3", env)
        # A client asks more often here than it may.
        free = {"LIMIT_PKD_LOOKUPS_PER_MINUTE": "0", "LIMIT_PKD_REGISTERS_PER_MINUTE": "0"}
        with server(env=RAISED | free | env) as running:
            url = running.ws_url
            return [
                *await _away(url, "stopped", seconds, postgres.stop, postgres.start),
                *await _away(url, "hanging", seconds, postgres.hang, postgres.go_on),
            ]


def _migrate(unused: Path, env: dict[str, str]) -> None:
    command = [sys.executable, "manage.py", "migrate", "--skip-checks", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, check=True, env=environment(unused, env))


async def _away(
    url: str, how: str, seconds: float, take: Callable[[], None], give_back: Callable[[], None]
) -> list[Finding]:
    people = [await (await Person(url, new_id("client")).__aenter__()).registers() for _ in range(CLIENTS)]
    caller, callee, *askers = people
    call_id = await caller.talks_to(callee)
    answers: Counter[str] = Counter()
    slowest = 0.0
    is_over = asyncio.Event()
    published: dict[str, str] = {}

    async def ask(person: Person) -> None:
        nonlocal slowest
        number = 0
        while not is_over.is_set():
            number += 1
            begin = time.monotonic()
            await person.send("PKD_REGISTER", clientId=person.id, publicKey=f"key {number}")
            answer = await _answer(person)
            slowest = max(slowest, time.monotonic() - begin)
            if answer["type"] == "PKD_RESULT":
                published[person.id] = f"key {number}"
            answers[answer["payload"].get("code", "PKD_RESULT")] += 1
            await asyncio.sleep(0.1)

    hops = 0
    asking = [asyncio.create_task(ask(person)) for person in askers]
    await asyncio.sleep(0.5)
    take()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        await caller.reaches(callee, call_id)
        hops += 1
        await asyncio.sleep(SPEAK_SECONDS)
    # Not in a thread, with whose end the kernel would end what it started.
    give_back()
    succeeded = answers["PKD_RESULT"]
    back = await until(lambda: answers["PKD_RESULT"] > succeeded, PATIENCE_SECONDS)
    is_over.set()
    await asyncio.gather(*asking)
    right = 0
    for person in askers:
        await caller.send("PKD_LOOKUP", clientId=person.id)
        found = await caller.expects("PKD_RESULT")
        right += found["publicKey"] == published.get(person.id)
    for person in people:
        await person.close()
    granted, refused = answers["PKD_RESULT"], answers["RATE_LIMITED"]
    return [
        noted(f"Postgres {how} for", f"{seconds:g} s, {hops:,} messages of a call meanwhile, each delivered"),
        noted("Publications answered with PKD_RESULT, with RATE_LIMITED", f"{granted:,}, {refused:,}"),
        at_most("Other answers", answers.total() - granted - refused, 0),
        at_most("The slowest answer", slowest, ANSWER_SECONDS, "s"),
        at_most("Publications succeed again after", back, ANSWER_SECONDS, "s"),
        all_of("Keys in the directory that are the last ones answered", right, len(askers)),
    ]


async def _answer(person: Person) -> dict[str, Any]:
    """Whatever comes next, however long it takes."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        answer: dict[str, Any] = json.loads(await person.connection.recv())
    return answer
