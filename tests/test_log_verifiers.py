"""The log's formats are those of others: the verifier of Go's checksum database reads it as it reads its own.

`make faults ARGS=verifiers` asks three more, at 65,537 entries and with every byte flipped.
"""

from pathlib import Path

import pytest
from django.conf import LazySettings
from pytest_django.live_server_helper import LiveServer

from tests.support.made_log import MadeLog, serving, sha256
from tests.verifiers.cases import NOW, accepted, cases, changed, readings
from tests.verifiers.programs import Verifier, sumdb
from transparency import merkle, tiles
from transparency.keys import LogKeys
from transparency.models import Entry, Log
from transparency.stored import Nodes
from transparency.tests.logged import keys

__all__ = ["keys"]

SIZES = (1, 2, 255, 256, 257)


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    return sumdb(tmp_path_factory.mktemp("sumdb"))


def test_proofs_are_accepted_and_none_with_a_byte_flipped(verifier: Verifier) -> None:
    log = MadeLog().fill(max(SIZES))
    right = [case for size in SIZES for case in cases(log, size)]
    assert verifier.verdicts(right) == [""] * len(right)
    wrong = [other for case in right for other in changed(case, consistency=True, step=11)]
    assert len(wrong) > 1000
    assert accepted(verifier.verdicts(wrong)) == 0


def test_tiles_are_read_and_none_that_were_changed(verifier: Verifier) -> None:
    log = MadeLog().fill(max(SIZES))
    files: dict[str, bytes] = {}
    with serving(files) as url:
        for size in SIZES:
            files.clear()
            files |= log.published(NOW, size)
            read = readings(log, size, url)
            assert verifier.verdicts(read) == [""] * len(read)
        for name in [name for name in files if name.startswith("tile/")]:
            whole = files[name]
            files[name] = bytes(byte ^ 1 for byte in whole)
            assert accepted(verifier.verdicts(read)) < len(read), name
            files[name] = whole


def grow(to: Log, log: MadeLog, start: int, end: int) -> None:
    """Write entries of a made log into the database, as the server keeps them."""
    nodes, rows = Nodes(to.pk), []
    for number, data in enumerate(log.entries[start:end], start):
        hashes = b"".join(merkle.completed_by(number, sha256(b"\x00", data), nodes))
        nodes.note(number, hashes)
        seq = int.from_bytes(data[2:6], "big")
        rows.append(Entry(log=to, number=number, index=data[14:46], seq=seq, data=data, hashes=hashes))
    Entry.objects.bulk_create(rows)


@pytest.mark.django_db(transaction=True)
def test_what_the_server_serves_is_read(
    verifier: Verifier, keys: LogKeys, live_server: LiveServer, settings: LazySettings, tmp_path: Path
) -> None:
    settings.LOG_GUARD = str(tmp_path / "guard")
    tiles.forget()
    log, size = MadeLog().fill(max(SIZES)), 0
    row = Log.objects.create(vkey=keys.vkey)
    for larger in SIZES:
        grow(row, log, size, larger)
        size = larger
        read = readings(log, size, f"{live_server.url}/log")
        assert verifier.verdicts(read, keys.vkey) == [""] * len(read)
    tiles.forget()
