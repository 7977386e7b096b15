"""A real Postgres with a new, empty cluster."""

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

import psycopg

from tests.services import process

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


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a Postgres while the block runs; yields what `DATABASE_URL` takes."""
    initdb, postgres = (process.executable(name, "postgresql", *_versions()) for name in ("initdb", "postgres"))
    password = secrets.token_urlsafe(12)
    with tempfile.TemporaryDirectory(prefix="securecall-postgres-") as name:
        directory = Path(name)
        as_owner = _give_to_owner(directory)
        _make_cluster(initdb, directory, password, as_owner)
        with _running(postgres, directory, password, as_owner) as port:
            yield _url(port, password)


def _versions() -> list[Path]:
    """Where Debian puts the programs, newest version first; they are not on PATH."""
    found = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    return sorted(found, key=lambda path: int(path.parent.name), reverse=True)


def _give_to_owner(directory: Path) -> dict[str, Any]:
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


def _make_cluster(initdb: str, directory: Path, password: str, as_owner: dict[str, Any]) -> None:
    password_file = directory / "password"
    password_file.write_text(password)
    command = [
        initdb,
        *("--pgdata", str(directory / "data")),
        *("--username", USER),
        *("--pwfile", str(password_file)),
        *("--auth", "scram-sha-256"),
        *("--encoding", "UTF8"),
        "--no-locale",
        "--no-sync",
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=directory, **as_owner)


@contextmanager
def _running(postgres: str, directory: Path, password: str, as_owner: dict[str, Any]) -> Iterator[int]:
    options = OPTIONS | {"unix_socket_directories": str(directory)}

    def start_on(port: int) -> tuple[int, subprocess.Popen[bytes]]:
        command = [postgres, "-D", str(directory / "data"), "-p", str(port)]
        command += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        log = directory / "postgres.log"
        return port, process.start(command, log, lambda _: _answers(port, password), cwd=directory, **as_owner)

    port, server = process.on_free_port(start_on)
    try:
        yield port
    finally:
        # The polite SIGTERM waits for every client to leave first.
        server.send_signal(signal.SIGINT)
        process.stop(server)


def _url(port: int, password: str) -> str:
    return f"postgres://{USER}:{password}@127.0.0.1:{port}/postgres"


def _answers(port: int, password: str) -> bool:
    # The password is this server's own: another Postgres on the port would refuse it.
    try:
        psycopg.connect(_url(port, password), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
