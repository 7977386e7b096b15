"""A real Postgres with a new, empty cluster."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.support.services import process

USER = "securecall"
# Nothing here outlives the tests, so nothing waits for the disk; /dev/shm is small in containers.
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "16MB",
    "dynamic_shared_memory_type": "mmap",
}
# What Postgres does where nobody asks for less, to be set before `start`.
AS_IT_COMES = OPTIONS | {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "128MB",
}


class PostgresServer:
    """A Postgres whose address survives `stop` and `start`, so that a test can take it away and give it back."""

    def __init__(self, directory: Path) -> None:
        initdb, self._program = (
            process.executable(name, "postgresql", *_versions()) for name in ("initdb", "postgres")
        )
        self._directory = directory
        self.options = OPTIONS
        self._password = secrets.token_urlsafe(12)
        self._as_owner = give_to_owner(directory)
        self._process: subprocess.Popen[bytes] | None = None
        self._make_cluster(initdb)
        self.port = process.on_free_port(self._start_on)

    @property
    def url(self) -> str:
        """Return the URL for `DATABASE_URL`."""
        return f"postgres://{USER}:{self._password}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start again on the same port, with what was committed."""
        self._start_on(self.port)

    def stop(self) -> None:
        """End the server; its connections break and new ones are refused."""
        if self._process is not None:
            self.go_on()
            # The polite SIGTERM waits for every client to leave first.
            self._process.send_signal(signal.SIGINT)
            process.stop(self._process)
            self._process = None

    def hang(self) -> None:
        """Stop answering, with connections open, until `go_on`."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End what `hang` began."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            # Each connection has a process of its own.
            for pid in (self._process.pid, *_children(self._process.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    def _make_cluster(self, initdb: str) -> None:
        password_file = self._directory / "password"
        password_file.write_text(self._password)
        command = [
            initdb,
            *("--pgdata", str(self._directory / "data")),
            *("--username", USER),
            *("--pwfile", str(password_file)),
            *("--auth", "scram-sha-256"),
            *("--encoding", "UTF8"),
            "--no-locale",
            "--no-sync",
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self._directory, **self._as_owner)

    def _start_on(self, port: int) -> int:
        directory = self._directory
        options = self.options | {"unix_socket_directories": str(directory)}
        command = [self._program, "-D", str(directory / "data"), "-p", str(port)]
        command += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self.port = port
        self._process = process.start(
            command, directory / "postgres.log", lambda _: self._answers(), cwd=directory, **self._as_owner
        )
        return port

    def _answers(self) -> bool:
        # The password is this server's own: another Postgres on the port would refuse it.
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a Postgres while the block runs."""
    with tempfile.TemporaryDirectory(prefix="securecall-postgres-") as name:
        server = PostgresServer(Path(name))
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def new_database(url: str) -> Iterator[str]:
    """Make an empty database on the server of `url` while the block runs; yields its own URL."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    # Whoever has it may stop the server meanwhile, and start it again.
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _versions() -> list[Path]:
    """Return the folders of Debian's programs, newest version first; they are not on PATH."""
    found = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    return sorted(found, key=lambda path: int(path.parent.name), reverse=True)


def give_to_owner(directory: Path) -> dict[str, Any]:
    """Hand `directory` to the user `postgres`, as Postgres refuses to run as root; returns Popen's options."""
    if os.geteuid() != 0:
        return {}
    try:
        shutil.chown(directory, "postgres", "postgres")
    except LookupError:
        raise process.NotInstalledError(
            "Postgres does not run as root and there is no user postgres (Debian package: postgresql)"
        ) from None
    return {"user": "postgres", "group": "postgres", "extra_groups": []}
