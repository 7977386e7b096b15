"""A log that nobody reads: the server serves, and stops; and what strangers send leaves no trace of itself."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests.conftest import SHARED, Join
from tests.support.client import Client
from tests.support.servers import ROOT, START_SECONDS, STOP_SECONDS, RunningServer, environment, eventually, migrate

SECRET = "a-word-of-a-stranger"
REQUESTS = 10
# Of a start, and of the one handshake whose refusal is told.
MOST_LINES = 15


class HangingReader:
    """A pipe that is full, for a log to be written to."""

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe()
        self.fill()

    def fill(self) -> None:
        """Leave no room in it."""
        again = os.open(f"/proc/self/fd/{self.writing}", os.O_WRONLY | os.O_NONBLOCK)
        with suppress(BlockingIOError):
            while True:
                os.write(again, b"x" * 512)
        os.close(again)

    def read(self, until: str) -> str:
        """Read until a text has come; returns what came without the filling."""
        found = b""
        while until.encode() not in found:
            found += os.read(self._reading, 65536)
        return found.decode().lstrip("x")

    def close(self) -> None:
        """Close both ends."""
        os.close(self._reading)
        os.close(self.writing)


@pytest.fixture
def reader() -> Iterator[HangingReader]:
    made = HangingReader()
    yield made
    made.close()


@pytest.fixture
def running(reader: HangingReader, tmp_path: Path) -> Iterator[RunningServer]:
    """A server whose log is that pipe; its port is known beforehand."""
    variables = environment(tmp_path / "db.sqlite3", SHARED)
    migrate(variables)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        command = [sys.executable, "-m", "securecall_site.server", "--fd", str(listening.fileno())]
        process = subprocess.Popen(
            command, cwd=ROOT, env=variables, stderr=reader.writing, pass_fds=(listening.fileno(),)
        )
        started = RunningServer(process, tmp_path / "log", tmp_path / "records", listening.getsockname()[1])
    try:
        eventually(lambda: started.is_healthy() or None, lambda: "the health check does not answer", START_SECONDS)
        yield started
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(STOP_SECONDS)


async def test_server_serves_and_stops_while_nobody_reads_its_log(
    running: RunningServer, reader: HangingReader, join: Join
) -> None:
    await asyncio.to_thread(bother, running)
    with pytest.raises(InvalidStatus):
        async with Client(running.ws_url, origin="https://elsewhere.example"):
            pass
    alice, bob = await join("alice", running), await join("bob", running)
    call_id = await alice.talks_to(bob)
    assert await asyncio.to_thread(running.is_healthy)
    log = await asyncio.to_thread(reader.read, "ALLOWED_ORIGINS")
    assert "listening on port" in log
    assert SECRET not in log
    assert len(log.splitlines()) <= MOST_LINES, log
    reader.fill()
    await alice.reaches(bob, call_id)
    running.signal(signal.SIGTERM)
    await alice.expects_close(1012, "service restart")
    assert await asyncio.to_thread(running.wait) == 0


def bother(running: RunningServer) -> None:
    """Send what is refused, in the ways that libraries have a line for; no page of it needs static files."""
    secure = {"X-Forwarded-Proto": "https"}
    for number in range(REQUESTS):
        for path, headers in (
            (f"/admin/{SECRET}-{number}/", secure),
            (f"/{SECRET}-{number}", secure),
            (f"/api/keys/{SECRET}-{number}/", secure),
            ("/admin/", secure | {"Host": f"{SECRET}-{number}.example"}),
            (f"/admin/?next=//{SECRET}", secure | {"Cookie": f"__Host-sessionid={SECRET}"}),
        ):
            status, _ = running.get(path, headers)
            assert 200 <= status < 500
        status, _ = running.post(f"/admin/login/?{SECRET}-{number}", f"username={SECRET}".encode(), secure)
        assert status in {400, 403}
