"""`kill -9` of processes that append to the public log, again and again; and then an older copy of the database."""

import asyncio
import itertools
import json
import signal
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from websockets.exceptions import ConnectionClosed, InvalidHandshake

from securecall_client import ClosedError
from securecall_client.ownership import first_statement
from tests.support.client import Client
from tests.support.made_directory import Owner
from tests.support.made_log import DIRECTORY
from tests.support.people import Person
from tests.support.served_log import log_settings
from tests.support.servers import ROOT, RunningServer, environment, migrate
from tools.faults.databases import Database, on_postgres, on_sqlite
from tools.faults.findings import Finding, all_of, at_most
from tools.faults.system import System, new_id, system

OWNER = Owner("owner")
AT_ONCE = 4
# Between two kills so many statements are answered.
ANSWERS_A_KILL = 5
ANSWER_SECONDS = 30
PAUSE_SECONDS = 0.1
BROKEN = (ConnectionClosed, InvalidHandshake, ClosedError, OSError)


async def killed(kills: int) -> list[Finding]:
    """Kill one of two processes so often, on SQLite and on Postgres."""
    findings: list[Finding] = []
    for make in (on_sqlite, on_postgres):
        with make() as database:
            findings += await _killed_on(database, kills)
    return findings


async def _killed_on(database: Database, kills: int) -> list[Finding]:
    with TemporaryDirectory(prefix="securecall-killed-") as name:
        env = {**log_settings(Path(name)), "DATABASE_URL": database.url}
        variables = environment(Path(name) / "unused", env)
        await asyncio.to_thread(migrate, variables)
        with system(env) as running:
            first = await asyncio.to_thread(running.start)
            claims = Claims(running)
            for _ in range(ANSWERS_A_KILL):
                await claims.claim(first.ws_url)
            running.close_door(first)
            await asyncio.to_thread(first.stop)
            await asyncio.to_thread(database.copy)
            await _under_load(running, claims, kills)
            found = await asyncio.to_thread(_rebuilt, variables)
            older = await _with_the_older_copy(running, database)
    lost = set(claims.told) - set(found.ids)
    log = f"On {database.name}, {kills} × `kill -9`"
    return [
        at_most(f"{log}: of {len(claims.told):,} statements that were answered, lost", len(lost), 0),
        Finding(
            f"{log}: the log of {found.entries:,} entries is dense, in order, and the one that is built anew",
            "yes",
            "yes" if found.is_whole else f"no: {found.wrong[:3]}",
            found.is_whole,
        ),
        all_of(
            f"On {database.name}, an older copy: nothing signed or accepted, while calls, keys and look-ups go on",
            sum(older.values()),
            len(older),
        ),
    ]


class Found(NamedTuple):
    """What tools/faults/rebuilt.py found."""

    entries: int
    is_dense: bool
    is_equal: bool
    wrong: list[str]
    ids: list[str]

    @property
    def is_whole(self) -> bool:
        """Return whether the log is as it should be."""
        return self.is_dense and self.is_equal and not self.wrong


class Claims:
    """Owners who claim new client IDs; `told` has those whose statement was answered."""

    def __init__(self, running: System) -> None:
        self.told: list[str] = []
        self._answered = asyncio.Condition()
        self._running = running

    async def claim(self, door: str) -> None:
        """Claim a new client ID through a process; raises what a connection that is cut does."""
        async with Client(door) as owner:
            client_id = new_id("owner")
            await owner.send("REGISTER", clientId=client_id)
            await owner.expects("REGISTERED", ANSWER_SECONDS)
            statement = first_statement(DIRECTORY, client_id, OWNER.identity, OWNER.recovery, OWNER.identity)
            signatures = {"identity": OWNER.sign(statement.text)}
            payload = {"clientId": client_id, "publicKey": OWNER.identity, "statement": statement.text}
            await owner.send("PKD_REGISTER", **payload, signatures=signatures)
            answer = json.loads(await asyncio.wait_for(owner.connection.recv(), ANSWER_SECONDS))
        if answer["type"] == "PKD_RESULT":
            async with self._answered:
                self.told.append(client_id)
                self._answered.notify_all()

    async def more(self, count: int) -> None:
        """Wait until so many more statements are answered."""
        enough = len(self.told) + count
        async with self._answered:
            await self._answered.wait_for(lambda: len(self.told) >= enough)

    async def go_on(self, number: int) -> None:
        """Claim one ID after the other, through whichever process there is, until cancelled."""
        for turn in itertools.count(number):
            doors = self._running.doors
            try:
                await self.claim(doors[turn % len(doors)])
            except (*BROKEN, AssertionError):
                await asyncio.sleep(PAUSE_SECONDS)


async def _under_load(running: System, claims: Claims, kills: int) -> None:
    """Kill one of two processes again and again, and start another one, while owners claim IDs."""
    processes = [await asyncio.to_thread(running.start) for _ in range(2)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(claims.go_on(number)) for number in range(AT_ONCE)]
        for _ in range(kills):
            await claims.more(ANSWERS_A_KILL)
            victim = processes.pop(0)
            running.close_door(victim)
            victim.signal(signal.SIGKILL)
            await asyncio.to_thread(victim.wait)
            processes.append(await asyncio.to_thread(running.start))
        for task in tasks:
            task.cancel()
    for process in processes:
        running.close_door(process)
        await asyncio.to_thread(process.stop)


def _rebuilt(variables: dict[str, str]) -> Found:
    command = [sys.executable, "-m", "tools.faults.rebuilt"]
    settings = variables | {"DJANGO_SETTINGS_MODULE": "securecall_site.settings"}
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=True)
    return Found(**json.loads(done.stdout))


async def _with_the_older_copy(running: System, database: Database) -> dict[str, bool]:
    """Start a process on the older copy, with the guard that there was; return what is as it should be."""
    server: RunningServer = await asyncio.to_thread(running.start, env={"DATABASE_URL": database.older})
    async with Person(server.ws_url, new_id("alice")) as alice, Person(server.ws_url, new_id("bob")) as bob:
        await alice.registers()
        await bob.registers()
        status, _ = await asyncio.to_thread(server.get, "/log/checkpoint", {"X-Forwarded-Proto": "https"})
        statement = first_statement(DIRECTORY, alice.id, OWNER.identity, OWNER.recovery, OWNER.identity)
        signatures = {"identity": OWNER.sign(statement.text)}
        payload = {"clientId": alice.id, "publicKey": OWNER.identity, "statement": statement.text}
        await alice.send("PKD_REGISTER", **payload, signatures=signatures)
        refused = await alice.expects("ERROR", ANSWER_SECONDS)
        await alice.send("PKD_LOOKUP", clientId=alice.id, after=-1)
        unproved = await alice.expects("ERROR", ANSWER_SECONDS)
        await alice.send("PKD_REGISTER", clientId=alice.id, publicKey="a key")
        await alice.expects("PKD_RESULT", ANSWER_SECONDS, publicKey="a key")
        await bob.send("PKD_LOOKUP", clientId=alice.id)
        looked_up = await bob.expects("PKD_RESULT", ANSWER_SECONDS)
        call_id = await alice.talks_to(bob)
        await alice.reaches(bob, call_id)
    return {
        "no checkpoint": status == HTTPStatus.SERVICE_UNAVAILABLE,
        "no statement": refused["code"] == "RATE_LIMITED",
        "no proof": unproved["code"] == "RATE_LIMITED",
        "keys": looked_up == {"clientId": alice.id, "publicKey": "a key"},
    }
