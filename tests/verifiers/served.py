"""What the server serves of its log before each verifier, at up to 65,537 entries; `make faults` runs it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from tests.support.made_log import MadeLog, sha256
from tests.verifiers.cases import cases, readings
from tests.verifiers.programs import Verifier, installed
from transparency import merkle, tiles
from transparency.keys import LogKeys
from transparency.models import Entry, Log
from transparency.stored import Nodes
from transparency.tests.logged import keys

__all__ = ["keys"]

SIZES = (1, 2, 255, 256, 257, 65_535, 65_536, 65_537)
ROWS_AT_ONCE = 10_000

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(1800)]


def grow(to: Log, log: MadeLog, start: int, end: int) -> None:
    """Write entries of a made log into the database, as the server keeps them."""
    nodes, rows = Nodes(to.pk), []
    for number, data in enumerate(log.entries[start:end], start):
        hashes = b"".join(merkle.completed_by(number, sha256(b"\x00", data), nodes))
        nodes.note(number, hashes)
        seq = int.from_bytes(data[2:6], "big")
        rows.append(Entry(log=to, number=number, index=data[14:46], seq=seq, data=data, hashes=hashes))
    Entry.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)


def judge(verifier: Verifier, log: MadeLog, size: int, keys: LogKeys, url: str) -> None:
    """Let a verifier read the log by itself, or judge proofs under the checkpoint that is served."""
    if verifier.reads_tiles:
        given = readings(log, size, url)
    else:
        checkpoint = Client().get("/log/checkpoint").content.decode()
        given = [case | {"checkpoint": checkpoint} for case in cases(log, size)]
    assert verifier.verdicts(given, keys.vkey) == [""] * len(given), (verifier.name, size)


@pytest.fixture
def growing(settings: LazySettings, tmp_path: Path) -> Iterator[MadeLog]:
    """A made log to grow from, while the server remembers no tile of another."""
    settings.LOG_GUARD = str(tmp_path / "guard")
    tiles.forget()
    yield MadeLog()
    tiles.forget()


def test_every_verifier_reads_what_the_server_serves(
    growing: MadeLog, keys: LogKeys, live_server: LiveServer, tmp_path: Path
) -> None:
    verifiers = installed(tmp_path)
    row, size = Log.objects.create(vkey=keys.vkey), 0
    growing.fill(max(SIZES))
    for larger in SIZES:
        grow(row, growing, size, larger)
        size = larger
        for verifier in verifiers:
            judge(verifier, growing, size, keys, f"{live_server.url}/log")
