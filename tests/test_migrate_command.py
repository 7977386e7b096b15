"""`migrate` at the start: one process at a time, also through PgBouncer in transaction mode, and a bounded wait."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from securecall_site.management.commands.migrate import LOCK
from tests.support.servers import ROOT, environment, eventually, run
from tests.support.services import NotInstalledError, new_database, skip_or_fail
from tests.support.services.pgbouncer import pgbouncer
from tests.test_railway import START_COMMAND

MIGRATE = [sys.executable, "manage.py", "migrate", "--noinput", "--skip-checks", "--verbosity", "0"]
SECONDS = 100
WAITS = "Another process migrates the database; this one waits for it"


@pytest.fixture(scope="module")
def database(postgres_url: str) -> Iterator[str]:
    with new_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="module")
def pooled(database: str) -> Iterator[str]:
    """The same database through PgBouncer, with fewer sessions than processes that migrate."""
    try:
        with pgbouncer(database, size=3) as url:
            yield url
    except NotInstalledError as missing:
        skip_or_fail(missing)


def migrate(url: str) -> tuple[int, str]:
    """Migrate in a process of its own; returns its status and what it printed."""
    ended = subprocess.run(
        MIGRATE,
        cwd=ROOT,
        check=False,
        env=environment(Path("unused"), {"DATABASE_URL": url}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )
    return ended.returncode, "".join(line for line in ended.stdout.splitlines() if WAITS not in line)


@contextmanager
def another_migrates(url: str) -> Iterator[None]:
    """Hold the lock, as a process that migrates does."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        yield


def test_processes_that_start_together_all_end(database: str, pooled: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        # The first ones find it empty.
        for urls in ([pooled, pooled], [pooled, database]):
            assert list(pool.map(migrate, urls)) == [(0, "")] * 2
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone() == (0,)


def test_process_waits_for_so_long_and_says_so(database: str, pooled: str) -> None:
    env = environment(Path("unused"), {"DATABASE_URL": pooled, "MIGRATE_WAIT_SECONDS": "0.5"})
    with another_migrates(database):
        ended = subprocess.run(MIGRATE, cwd=ROOT, check=False, env=env, capture_output=True, text=True, timeout=SECONDS)
    assert ended.returncode == 1
    assert f"{WAITS}, for up to 0.5 s" in ended.stderr
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("The database was not migrated: another process has kept it for 0.5 s.")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_process_that_waits_answers_sigterm(database: str, tmp_path: Path, shell: str) -> None:
    env = environment(Path("unused"), {"DATABASE_URL": database, "PORT": "0"})
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    log = tmp_path / "log"
    with another_migrates(database), run([shell, "-c", START_COMMAND], log, env) as process:
        eventually(lambda: WAITS in log.read_text() or None, log.read_text, SECONDS)
        process.terminate()
        # By a handler of its own: the kernel would not end process 1 of a container for it.
        assert process.wait(SECONDS) == 128 + signal.SIGTERM
    assert "Traceback" not in log.read_text()
