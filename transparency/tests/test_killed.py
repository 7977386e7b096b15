"""Two processes that are killed while they append: nothing that was told is lost, and the log is whole."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection

from pkd.models import Identity
from transparency.build import build
from transparency.check import check
from transparency.keys import LogKeys
from transparency.models import Entry, Piece
from transparency.tests.logged import empty_log, keys

__all__ = ["keys"]

pytestmark = pytest.mark.django_db(transaction=True)
ENOUGH = 12


def database_url() -> str:
    """The test's database, as another process opens it."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlunsplit(urlsplit(settings.DATABASE_URL)._replace(path=f"/{name}"))


def start(name: str, guard: Path) -> "subprocess.Popen[str]":
    env = os.environ | {
        "DATABASE_URL": database_url(),
        "DIRECTORY_NAME": settings.DIRECTORY_NAME,
        "LOG_KEY": settings.LOG_KEY,
        "LOG_VRF_KEY": settings.LOG_VRF_KEY,
        "LOG_GUARD": str(guard),
    }
    command = [sys.executable, "-m", "transparency.tests.appending", name]
    return subprocess.Popen(command, env=env, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True)


def contents() -> tuple[list[bytes], dict[str, bytes]]:
    pieces = {name: bytes(content) for name, content in Piece.objects.values_list("name", "content")}
    return [bytes(data) for data in Entry.objects.values_list("data", flat=True)], pieces


def test_log_of_killed_processes_is_dense_and_the_one_that_is_built(keys: LogKeys, tmp_path: Path) -> None:
    running = [start(name, tmp_path / "guard") for name in ("one", "other")]
    told: list[str] = []
    for process in running:
        assert process.stdout is not None
        told += [process.stdout.readline().strip() for _ in range(ENOUGH)]
    for process in running:
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        # A line that was cut off tells nothing.
        told += rest.splitlines(keepends=False)[:-1]
    assert set(told) <= set(Identity.objects.values_list("key__client_id", flat=True))
    numbers = list(Entry.objects.values_list("number", flat=True))
    assert numbers == list(range(Identity.objects.count()))
    assert list(check(keys, None)) == []
    grown = contents()
    empty_log()
    assert build(keys) == (len(numbers), len(numbers))
    assert contents() == grown
