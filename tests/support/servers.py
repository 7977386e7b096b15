"""The real server on a free port: ours, plain daphne or uvicorn, each in a process of its own."""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypedDict, TypeVar, Unpack

ROOT = Path(__file__).resolve().parents[2]
# Ten times what a start takes on a quiet machine: tests and others may keep it busy.
START_SECONDS = 90
STOP_SECONDS = 20
POLL_SECONDS = 0.02

Kind = Literal["ours", "daphne", "uvicorn"]
T = TypeVar("T")

SITE = "securecall_site.asgi:application"
# What the server says on standard error once its port is known.
ANNOUNCEMENTS: dict[Kind, str] = {
    "ours": r"listening on port (\d+)",
    "uvicorn": r"Uvicorn running on https?://127\.0\.0\.1:(\d+)",
}
# As docs/settings.md says.
UVICORN_OPTIONS = (
    *("--ws", "websockets-sansio", "--ws-per-message-deflate", "false", "--ws-max-size", "262144"),
    *("--ws-ping-interval", "0", "--no-access-log", "--no-proxy-headers"),
)


def eventually(look: Callable[[], T | None], failure: Callable[[], str], seconds: float) -> T:
    """Look until something is found; fails with what `failure()` says."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise AssertionError(failure())
        time.sleep(POLL_SECONDS)
    return found


@dataclass
class RunningServer:
    """A started server; `records()` is for applications that write to the file in RECORDS."""

    process: subprocess.Popen[bytes]
    log_path: Path
    records_path: Path
    port: int = 0
    host: str = field(default="127.0.0.1", kw_only=True)

    @property
    def http_url(self) -> str:
        """Return the server's address, without a slash at its end."""
        return f"http://{self.host}:{self.port}"

    @property
    def ws_url(self) -> str:
        """Return the URL that clients connect to."""
        return f"ws://{self.host}:{self.port}/signal"

    @property
    def log(self) -> str:
        """Return everything that the server has printed."""
        return self.log_path.read_text(errors="replace")

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Return status and body of a GET request; redirects are not followed."""
        return self._ask(path, headers, None)

    def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Return status and body of the answer to a form."""
        return self._ask(path, headers, body)

    def _ask(self, path: str, headers: Mapping[str, str] | None, body: bytes | None) -> tuple[int, str]:
        request = urllib.request.Request(self.http_url + path, body, dict(headers or {}))  # noqa: S310
        opener = urllib.request.build_opener(Unredirected)
        try:
            with opener.open(request, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def is_healthy(self) -> bool:
        """Return whether the health check answers."""
        try:
            return self.get("/health") == (200, '{"status":"ok"}')
        except OSError:
            return False

    def records(self) -> list[dict[str, Any]]:
        """Return what the application has recorded so far."""
        lines = self.records_path.read_text().splitlines() if self.records_path.exists() else []
        return [json.loads(line) for line in lines]

    async def recorded(self, *, count: int = 1, seconds: float = 10, **fields: Any) -> None:
        """Wait for records with these fields; clients live on meanwhile."""

        def look() -> bool | None:
            return sum(fields.items() <= line.items() for line in self.records()) >= count or None

        def failure() -> str:
            return f"fewer than {count} records {fields} in {self.records()[-100:]}"

        await asyncio.to_thread(eventually, look, failure, seconds)

    async def logged(self, text: str, seconds: float = 10) -> None:
        """Wait for a text in the log; clients live on meanwhile."""
        await asyncio.to_thread(
            eventually, lambda: text in self.log or None, lambda: f"no {text!r} in:\n{self.log}", seconds
        )

    def signal(self, number: int) -> None:
        """Send a signal to the server."""
        self.process.send_signal(number)

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """Wait for the process to end; returns its status. In a thread if clients of the test must answer."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            message = f"the server still runs after {seconds} s:\n{self.log}"
            raise AssertionError(message) from None

    def stop(self) -> int:
        """End the server as a deploy does; returns its status."""
        self.process.terminate()
        return self.wait()


class Unredirected(urllib.request.HTTPRedirectHandler):
    """Returns a redirect as an answer like any other."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Follow nothing."""


@cache
def database_template() -> Path:
    """Return an SQLite database with all migrations, made once per test run, to be copied for each server."""
    path = Path(tempfile.mkdtemp(prefix="securecall-")) / "template.sqlite3"
    migrate(environment(path))
    return path


def migrate(variables: Mapping[str, str], *target: str) -> None:
    """Migrate the database that the environment names; `target` is an app and one of its migrations."""
    command = [sys.executable, "manage.py", "migrate", "--skip-checks", "--verbosity", "0", *target]
    subprocess.run(command, cwd=ROOT, check=True, env=dict(variables))


def environment(database: Path, variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment: the tests' own paths, then a deploy's least, then `variables`."""
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "SECRET_KEY": "a key for tests that is long and random enough: 7Qv2mX9pLr4Tz8Wc1Nd6Kb3Hs5Jf",
        "ALLOWED_HOSTS": "localhost,127.0.0.1",
        "DATABASE_URL": f"sqlite:///{database}",
        "PYTHONUNBUFFERED": "1",
        **(variables or {}),
    }


def command_line(kind: Kind, application: str, listening: socket.socket | None) -> list[str]:
    """Return the command that starts a server; daphne inherits its port, as it does not announce the one it chose."""
    if kind == "ours":
        module = [sys.executable, "-m", "securecall_site.server"]
        return [*module, "--bind", "127.0.0.1", "--port", "0", "--application", application]
    if kind == "uvicorn":
        module = [sys.executable, "-m", "uvicorn"]
        return [*module, application, "--host", "127.0.0.1", "--port", "0", *UVICORN_OPTIONS]
    assert listening is not None
    return [sys.executable, "-m", "daphne", "--fd", str(listening.fileno()), application]


@contextmanager
def server(  # noqa: PLR0913 -- each has a default
    kind: Kind = "ours",
    *,
    env: Mapping[str, str] | None = None,
    application: str = SITE,
    options: tuple[str, ...] = (),
    cwd: Path = ROOT,
    pass_fds: tuple[int, ...] = (),
) -> Iterator[RunningServer]:
    """Run a server on a free port, with a database of its own; the block begins once its health check answers.

    `env` is added to the environment: `DEBUG=1`, `REDIS_URL`, or `DATABASE_URL` of a migrated database.
    `options` are added to the command line, `pass_fds` are inherited; `cwd` is where the code is. On leaving, the
    server is stopped if it still runs.
    """
    with tempfile.TemporaryDirectory(prefix="securecall-") as name, socket.socket() as listening:
        directory = Path(name)
        shutil.copy(database_template(), directory / "db.sqlite3")
        records = directory / "records"
        variables = environment(directory / "db.sqlite3", {"RECORDS": str(records), **(env or {})})
        inherited: socket.socket | None = None
        if kind == "daphne":
            listening.bind(("127.0.0.1", 0))
            listening.listen(128)
            inherited = listening
        command = [*command_line(kind, application, inherited), *options]
        handed_down = (*pass_fds, inherited.fileno()) if inherited else pass_fds
        with run(command, directory / "log", variables, cwd=cwd, pass_fds=handed_down) as process:
            running = RunningServer(process, directory / "log", records)
            running.port = listening.getsockname()[1] if inherited else announced_port(running, kind)
            become_healthy(running)
            yield running


class Start(TypedDict, total=False):
    """The options of Popen that programs here are started with."""

    cwd: Path
    pass_fds: tuple[int, ...]


@contextmanager
def run(
    command: list[str], log: Path, variables: Mapping[str, str], *, is_killed: bool = False, **options: Unpack[Start]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command while the block runs, and then end it, if it still runs; what it prints is appended to `log`.

    With `is_killed` it is not asked to end first, and Ctrl-C in the terminal does not reach it.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0 if is_killed else None,
            cwd=options.get("cwd", ROOT),
            pass_fds=options.get("pass_fds", ()),
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill() if is_killed else process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def announced_port(running: RunningServer, kind: Kind) -> int:
    """Wait for the port that the server chose, in its log."""

    def look() -> int | None:
        check_alive(running)
        match = re.search(ANNOUNCEMENTS[kind], running.log)
        return int(match[1]) if match else None

    return eventually(look, lambda: f"no port in the log:\n{running.log}", START_SECONDS)


def become_healthy(running: RunningServer) -> None:
    """Wait until the health check answers."""

    def look() -> bool | None:
        check_alive(running)
        return running.is_healthy() or None

    eventually(look, lambda: f"no health:\n{running.log}", START_SECONDS)


def check_alive(running: RunningServer) -> None:
    """Fail with the log of a server that has ended."""
    status = running.process.poll()
    assert status is None, f"the server ended with status {status}:\n{running.log}"
