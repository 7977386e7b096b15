"""A public log of a real size on Postgres: look-ups with proofs, statements beside calls, and the auditor."""

import asyncio
import json
import random
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from pkd.keys import base64url
from pkd.tests.owners import DIRECTORY
from securecall_client.transparency import Log, Outcome, check
from tests.support.servers import ROOT, RunningServer, environment, migrate, server
from tests.support.services import AS_IT_COMES, postgres_server
from tests.support.services.edges import edge
from tools.faults.audit import MOST_SECONDS, audited
from tools.faults.checking import seconds_to_check
from tools.faults.directory import Seeds, fill, id_of
from tools.faults.findings import Finding, all_of, at_most, noted
from tools.faults.owning import Patient
from tools.faults.stating import state_on
from tools.faults.system import RAISED

MOST_LOOK_UP_MS = 10
MOST_STATEMENT_MS = 1000
MOST_CHECK_MS = {"Chromium": 5, "Firefox": 20}
PER_SECOND = 50
CALLERS = 100
CHECKED = 100
CHECKED_IN_BROWSERS = 400
# Of how many members one can be looked up.
KNOWN_EVERY = 100
LIMITS = ("NEW_IDENTITIES_PER_HOUR", "PKD_LOOKUPS_PER_MINUTE", "PKD_REGISTERS_PER_MINUTE", "STATEMENTS_PER_DAY")
UNLIMITED = {f"LIMIT_{name}": "0" for name in LIMITS}


async def record(size: int, look_ups: int, seconds: float) -> list[Finding]:
    """Measure a server of which `size` client IDs belong to keys."""
    seeds = Seeds(DIRECTORY, secrets.token_bytes(32), secrets.token_bytes(32))
    with TemporaryDirectory(prefix="securecall-") as name:
        folder = Path(name)
        async with _directory(folder, seeds, size) as env:
            findings = [noted("In the database", _stored(env["DATABASE_URL"]))]
            with server(env=env) as running:
                findings += await _look_ups(running, size, look_ups)
                believed, known = await _believed(running, Log(seeds.keys.vkey))
                findings += await _statements(running, seconds)
                again, _ = await _believed(running, known)
                findings.append(all_of("Answers that the Python client believes", believed + again, 2 * CHECKED))
                findings += await _checks(running, known)
                findings += await _audit(running, seeds, folder, size)
    return findings


@asynccontextmanager
async def _directory(folder: Path, seeds: Seeds, size: int) -> AsyncIterator[dict[str, str]]:
    """Fill a Postgres, and run it as it comes; give the environment of its server."""
    with postgres_server() as postgres:
        keys = {
            "LOG_KEY": base64url(seeds.log),
            "LOG_VRF_KEY": base64url(seeds.vrf),
            "LOG_GUARD": str(folder / "guard"),
        }
        env = {"DATABASE_URL": postgres.url, "DIRECTORY_NAME": DIRECTORY, **RAISED, **UNLIMITED, **keys}
        migrate(environment(folder / "unused.sqlite3", env))
        await asyncio.to_thread(fill, postgres.url, seeds, size, KNOWN_EVERY)
        postgres.stop()
        postgres.options = AS_IT_COMES
        postgres.start()
        yield env


def _stored(url: str) -> str:
    """Return the sizes of the log's tables, with their indexes, and of the whole."""
    tables = ("entry", "piece")
    with psycopg.connect(url) as connection:
        sizes = [
            (table, connection.execute("SELECT pg_total_relation_size(%s)", [f"transparency_{table}"]).fetchone())
            for table in tables
        ]
        (pieces,) = connection.execute("SELECT count(*) FROM transparency_piece").fetchone() or (0,)
        (whole,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
    shown = ", ".join(f"{table} {row[0] / 1e6:,.0f} MB" for table, row in sizes if row is not None)
    return f"{whole / 1e6:,.0f} MB, of which the log: {shown}; {pieces:,} pieces"


async def _look_ups(running: RunningServer, size: int, count: int) -> list[Finding]:
    """Look up owned and absent client IDs, one after the other, by a client that knows some earlier tree."""
    dice = random.Random(1)  # noqa: S311 -- dice that can be thrown again
    owned = [id_of(dice.randrange(0, size, KNOWN_EVERY)) for _ in range(count)]
    findings = []
    async with Patient(running.ws_url, "") as client:
        for what, ids in (("owned", owned), ("absent", [f"absent-{number}" for number in range(count)])):
            seconds = []
            for client_id in ids:
                begin = time.perf_counter()
                await _answer(client, client_id, dice.randrange(1, size))
                seconds.append(time.perf_counter() - begin)
            findings += _times(f"Looking up an {what} ID", seconds, MOST_LOOK_UP_MS, 0.95)
    return findings


def _times(what: str, seconds: Sequence[float], most: float, share: float) -> list[Finding]:
    ordered = sorted(1000 * one for one in seconds)
    middle, high = ordered[len(ordered) // 2], ordered[round(share * (len(ordered) - 1))]
    return [noted(f"{what}, median", f"{middle:.1f} ms"), at_most(f"{what}, p{100 * share:.0f}", high, most, "ms")]


async def _believed(running: RunningServer, known: Log) -> tuple[int, Log]:
    """Look up owned and absent client IDs; count answers that the Python client believes, and return what it keeps."""
    believed = 0
    async with Patient(running.ws_url, "") as client:
        for number in range(CHECKED):
            client_id = _id_of(number)
            checked = check([await _answer(client, client_id, known.size)], client_id, known, None, time.time())
            outcome = Outcome.UNSIGNED if number % 2 else Outcome.FIRST_TIME
            believed, known = believed + (checked.outcome is outcome), checked.log
    return believed, known


def _id_of(number: int) -> str:
    """Return a client ID to look up: an owned one, and for an odd number an absent one."""
    return f"absent-{number}" if number % 2 else id_of(KNOWN_EVERY * (number % 10))


async def _answer(client: Patient, client_id: str, size: int) -> dict[str, Any]:
    """Look a client ID up, for who knows the tree of so many entries."""
    await client.send("PKD_LOOKUP", clientId=client_id, after=-1, size=size)
    return await client.expects("PKD_RESULT", clientId=client_id)


async def _checks(running: RunningServer, known: Log) -> list[Finding]:
    """Let browsers check answers about owned and absent client IDs, of which they know nothing but an earlier tree."""
    async with Patient(running.ws_url, "") as client:
        answers = [await _answer(client, _id_of(number), known.size) for number in range(CHECKED_IN_BROWSERS)]
    findings = []
    for browser, took in (await seconds_to_check(known, answers)).items():
        # A page that was just loaded reads and compiles the code for it.
        findings.append(noted(f"The first check of an answer in {browser}", f"{1000 * took[0]:.1f} ms"))
        findings += _times(f"A check of an answer in {browser}", took, MOST_CHECK_MS[browser], 0.95)
    return findings


async def _statements(running: RunningServer, seconds: float) -> list[Finding]:
    """Accept statements while others call, after half as long of calls alone."""
    alone = await _calls(running, seconds / 2)
    beside, taken = await asyncio.gather(_calls(running, seconds), state_on(running.ws_url, PER_SECOND, seconds))
    return [
        noted("A hop of calls alone, p50 and p99", _hop(alone)),
        noted(f"A hop of calls beside {PER_SECOND} statements a second, p50 and p99", _hop(beside)),
        all_of("Calls beside statements that went to their end", *_finished(beside)),
        all_of("Statements that were accepted", len(taken.seconds), taken.sent),
        noted("Refused", ", ".join(f"{number} {code}" for code, number in taken.refused.items()) or "none"),
        *_times("A statement and its proof", taken.seconds, MOST_STATEMENT_MS, 0.99),
    ]


async def _calls(running: RunningServer, seconds: float) -> dict[str, Any]:
    """Let pairs call at a steady rate, from a process of their own."""
    options = ("--clients", str(CALLERS), "--calls-per-second", str(PER_SECOND), "--minutes", str(seconds / 60))
    command = [sys.executable, "manage.py", "loadtest", "--url", running.ws_url, *options, "--json"]
    done = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environment(Path("unused")), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    output, _ = await done.communicate()
    figures: dict[str, Any] = json.loads(output)
    return figures


def _hop(figures: dict[str, Any]) -> str:
    return f"{figures['hopMs']['p50']:.2f}, {figures['hopMs']['p99']:.2f} ms"


def _finished(figures: dict[str, Any]) -> tuple[int, int]:
    return figures["calls"]["finished"], figures["calls"]["started"]


async def _audit(running: RunningServer, seeds: Seeds, folder: Path, size: int) -> list[Finding]:
    """Let the auditor read all that the server serves, through a proxy, as TLS would end there."""
    with edge("nginx", "x-forwarded-for", running.port) as tls:
        log = f"https://127.0.0.1:{tls.port}/log"
        command = [sys.executable, "-m", "auditor", log, seeds.keys.vkey, "--state", str(folder / "state")]
        run = await asyncio.to_thread(audited, command, {"SSL_CERT_FILE": str(tls.root)})
    return [
        all_of("The auditor finds the log in order", int("is in order" in run.said), 1),
        at_most(f"It reads and replays {size:,} entries and the new ones in", run.seconds, MOST_SECONDS, "s"),
        noted("Its CPU time and its memory", f"{run.cpu_seconds:.0f} s, {run.mib:.0f} MiB"),
    ]
