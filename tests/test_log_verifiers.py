"""The log's formats are those of others: the verifier of Go's checksum database reads it as it reads its own.

`make faults ARGS=verifiers` asks three more, at 65,537 entries and with every byte flipped.
"""

import pytest
from pytest_django.live_server_helper import LiveServer

from tests.support.made_log import MadeLog, serving
from tests.verifiers.cases import NOW, accepted, cases, changed, readings
from tests.verifiers.programs import Verifier, sumdb
from tests.verifiers.served import grow, growing, judge, keys
from transparency.keys import LogKeys
from transparency.models import Log

__all__ = ["growing", "keys"]

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


@pytest.mark.django_db(transaction=True)
def test_what_the_server_serves_is_read(
    verifier: Verifier, growing: MadeLog, keys: LogKeys, live_server: LiveServer
) -> None:
    growing.fill(max(SIZES))
    row, size = Log.objects.create(vkey=keys.vkey), 0
    for larger in SIZES:
        grow(row, growing, size, larger)
        size = larger
        judge(verifier, growing, size, keys, f"{live_server.url}/log")
