"""The whole of it: two people talk, over a real relay, with nothing but what the reference describes."""

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.servers import ROOT, RunningServer, become_healthy, database_template, server
from tests.support.services import Coturn
from tests.support.services.process import free_port
from tests.support.webrtc import Peer

FRAMES = 25


@pytest.fixture(params=["udp", "tcp"])
def turn(request: pytest.FixtureRequest, coturn_server: Coturn) -> dict[str, str]:
    return {"TURN_SECRET": coturn_server.secrets[0], "TURN_URLS": coturn_server.url(request.param)}


@pytest.fixture
def made(turn: dict[str, str], tmp_path: Path) -> Iterator[RunningServer]:
    """The server that `make run` starts."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    port = free_port()
    # Nothing but what a developer's shell has, and a database that is not the developer's.
    variables = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    variables |= {"PORT": str(port), "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}"} | turn
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["make", "--no-print-directory", "run"],
            cwd=ROOT,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        running = RunningServer(process, log, tmp_path / "records", port)
        become_healthy(running)
        yield running
    finally:
        # make and what it runs: a process group of our own.
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


async def two_people_talk(caller_url: str, callee_url: str) -> None:
    key = secrets.token_urlsafe(32)
    alice_id, bob_id = (f"{name}-{secrets.token_hex(4)}" for name in ("alice", "bob"))
    async with Peer(caller_url, alice_id) as alice, Peer(callee_url, bob_id) as bob:
        await bob.publishes(key)
        assert await alice.finds(bob_id) == key
        await alice.calls(bob)
        await asyncio.gather(alice.hears(FRAMES), bob.hears(FRAMES))
        for one, other in ((alice, bob), (bob, alice)):
            assert one.selected_pair() == ("relay", "relay")
            assert len(one.sent_candidates) >= 2
            assert other.received_candidates == one.sent_candidates
        await alice.hangs_up(bob)


async def test_call_through_make_run(made: RunningServer) -> None:
    await two_people_talk(made.ws_url, made.ws_url)


async def test_call_across_two_processes(
    turn: dict[str, str], redis_database: Callable[[], str], tmp_path: Path
) -> None:
    database = shutil.copy(database_template(), tmp_path / "db.sqlite3")
    env = turn | {"REDIS_URL": redis_database(), "DATABASE_URL": f"sqlite:///{database}"}
    with server(env=env) as here, server(env=env) as there:
        await two_people_talk(here.ws_url, there.ws_url)
