"""A database that cannot do what it is asked: a full disk, and tables of an older program."""

import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SHARED, Join
from tests.support.people import Person
from tests.support.servers import ROOT, database_template, environment, migrate, server

LONGEST_KEY = "k" * 16_377 + "-"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return Path(shutil.copy(database_template(), tmp_path / "db.sqlite3"))


async def publishes(person: Person, key: str) -> dict[str, object]:
    await person.send("PKD_REGISTER", clientId=person.id, publicKey=key)
    return await person.next_message()


async def test_full_disk_means_try_again_and_loses_nothing(database: Path, join: Join) -> None:
    with server(env=SHARED | {"DATABASE_URL": f"sqlite:///{database}"}) as running:
        alice, bob = await join("alice", running), await join("bob", running)
        call_id = await alice.talks_to(bob)
        # No file of the server can grow beyond this, as on a disk that is full.
        most = os.path.getsize(database) + len(LONGEST_KEY)  # noqa: ASYNC240, PTH202 -- at once
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        kept, number = "", 0
        while (answer := await publishes(alice, f"{LONGEST_KEY}{number}"))["type"] == "PKD_RESULT":
            kept, number = f"{LONGEST_KEY}{number}", number + 1
            assert number < 500
        assert answer["payload"] == answer["payload"] | {"code": "RATE_LIMITED", "request": "PKD_REGISTER"}  # type: ignore[operator]
        assert kept
        await alice.reaches(bob, call_id)
        # What was answered is there, and what was refused is not.
        await bob.send("PKD_LOOKUP", clientId=alice.id)
        await bob.expects("PKD_RESULT", publicKey=kept)
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert (await publishes(alice, "there is room again"))["type"] == "PKD_RESULT"
        await bob.send("PKD_LOOKUP", clientId=alice.id)
        await bob.expects("PKD_RESULT", publicKey="there is room again")


def test_server_does_not_start_on_a_database_of_an_older_program(database: Path) -> None:
    env = environment(database)
    migrate(env, "pkd", "0001")
    start = [sys.executable, "-m", "securecall_site.server", "--bind", "127.0.0.1", "--port", "0"]
    ended = subprocess.run(start, cwd=ROOT, check=False, env=env, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    # With those of other apps that build on them.
    assert re.search(r"The database is older than this program: it lacks \d+ migrations \(pkd\.0002_", ended.stderr)
    assert "Run python manage.py migrate, then start again." in ended.stderr
    assert "listening" not in ended.stderr
