"""The command against logs over HTTP: one that is honest, and ones that are not in six ways."""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cryptography
import pytest

from auditor.__main__ import Exit, main
from tests.support.made_log import BEGINNING, MadeLog, serving, sha256, vkey
from tests.support.servers import ROOT

HOUR = 3600


class Audits:
    """A log's files behind a URL, and an auditor's state."""

    def __init__(self, files: dict[str, bytes], url: str, state: Path) -> None:
        self.files = files
        self.arguments = [url, vkey(), "--state", str(state)]
        self.state = state

    def publish(self, log: MadeLog, *, size: int | None = None, seconds_ago: float = 0) -> None:
        self.files.clear()
        self.files |= log.published(time.time() - seconds_ago, size)

    def run(self, *more: str) -> Exit:
        return main([*self.arguments, *more])

    def audit(self, log: MadeLog, size: int | None = None) -> Exit:
        self.publish(log, size=size)
        return self.run()


@pytest.fixture
def audits(tmp_path: Path) -> Iterator[Audits]:
    files: dict[str, bytes] = {}
    with serving(files) as url:
        yield Audits(files, url, tmp_path / "state")


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 600])
def test_honest_log_is_in_order_at_once_and_as_it_grows(
    size: int, audits: Audits, capsys: pytest.CaptureFixture[str]
) -> None:
    log = MadeLog().fill(600)
    assert audits.audit(log, size) is Exit.IN_ORDER
    assert f"{size} entries, {size} of them new" in capsys.readouterr().out
    assert audits.audit(log) is Exit.IN_ORDER
    assert f"600 entries, {600 - size} of them new" in capsys.readouterr().out
    assert audits.run() is Exit.IN_ORDER
    assert "600 entries, 0 of them new" in capsys.readouterr().out


def faulty(audits: Audits, log: MadeLog, capsys: pytest.CaptureFixture[str]) -> str:
    """Audit a log twice: both times it is at fault, and nothing of it is kept. Returns what was said."""
    before = audits.state.read_bytes() if audits.state.exists() else None
    assert [audits.audit(log), audits.run()] == [Exit.FAULT, Exit.FAULT]
    assert (audits.state.read_bytes() if audits.state.exists() else None) == before
    said = capsys.readouterr().err.splitlines()
    assert said[0] == said[1]
    assert audits.state.with_name("state.evidence").read_text().startswith(said[0])
    return said[0]


@pytest.fixture(params=[0, 259], ids=lambda size: f"after-{size}")
def audited(request: pytest.FixtureRequest, audits: Audits) -> Audits:
    """The first entries of the log were in order at an earlier run."""
    assert audits.audit(MadeLog().fill(request.param)) is Exit.IN_ORDER
    return audits


def test_unexplained_root_is_named(audited: Audits, capsys: pytest.CaptureFixture[str]) -> None:
    log = MadeLog().fill(270)
    log.tree.put(sha256(b"hidden"), sha256(b"an update that has no entry"))
    log.fill(300)
    said = faulty(audited, log, capsys)
    assert said.startswith("Entry 270 is wrong: its prefix root is not the one that the entries up to it give")
    assert said.endswith("The log signed it.")


def test_identity_that_is_swapped_and_put_back_is_named(audited: Audits, capsys: pytest.CaptureFixture[str]) -> None:
    log = MadeLog().fill(270)
    index = sha256(b"client 268")
    owners = log.last[index]
    log.append("client 268", "invented")
    log.write(index, sha256(b"the owner's next"), (1, owners[0] + 1, BEGINNING + 271), owners[1])
    assert faulty(audited, log, capsys) == (
        "Entry 271 is wrong: its seq is 1; 2 comes next for its index. The log signed it."
    )


def test_update_that_forgets_the_one_before_is_named(audited: Audits, capsys: pytest.CaptureFixture[str]) -> None:
    log = MadeLog().fill(270)
    log.write(sha256(b"client 268"), sha256(b"another"), (1, 1, BEGINNING + 271), sha256(b"invented"))
    said = faulty(audited, log, capsys)
    assert said == "Entry 270 is wrong: it does not name the update that its index had before. The log signed it."


def test_dropped_entry_is_named_by_the_one_in_its_place(audited: Audits, capsys: pytest.CaptureFixture[str]) -> None:
    log = MadeLog().fill(300)
    del log.entries[270]
    assert faulty(audited, log, capsys).startswith("Entry 270 is wrong: its prefix root is not the one")


def test_swapped_entries_are_named(audited: Audits, capsys: pytest.CaptureFixture[str]) -> None:
    log = MadeLog().fill(300)
    log.entries[270:272] = reversed(log.entries[270:272])
    assert faulty(audited, log, capsys).startswith("Entry 270 is wrong: its prefix root is not the one")


def test_late_entry_is_named(audited: Audits, capsys: pytest.CaptureFixture[str]) -> None:
    log = MadeLog().fill(270)
    log.append("late", at=BEGINNING + 268)
    said = f"Entry 270 is wrong: its time, {BEGINNING + 268}, is before that of the entry before, {BEGINNING + 269}."
    assert faulty(audited, log, capsys) == f"{said} The log signed it."


@pytest.mark.parametrize("hours", [-1.1, 1.1])
def test_late_checkpoint_is_named(hours: float, audits: Audits, capsys: pytest.CaptureFixture[str]) -> None:
    audits.publish(MadeLog().fill(3), seconds_ago=hours * HOUR)
    assert audits.run() is Exit.FAULT
    assert capsys.readouterr().err.startswith("The checkpoint is late: it was signed 3,9")


@pytest.mark.parametrize("size", [300, 400, 600])
def test_forked_log_is_named(size: int, audits: Audits, capsys: pytest.CaptureFixture[str]) -> None:
    assert audits.audit(MadeLog().fill(300)) is Exit.IN_ORDER
    log = MadeLog().fill(299)
    log.append("another")
    said = "The log forked: its first 300 entries are not those that it signed before."
    assert faulty(audits, log.fill(size), capsys) == said
    evidence = audits.state.with_name("state.evidence").read_text()
    assert evidence.count(f"\n{MadeLog().checkpoint(0, 0).partition(chr(10))[0]}\n") == 2


def test_shrunk_log_is_named(audits: Audits, capsys: pytest.CaptureFixture[str]) -> None:
    assert audits.audit(MadeLog().fill(300)) is Exit.IN_ORDER
    assert faulty(audits, MadeLog().fill(299), capsys) == "The log shrank: it had 300 entries, now 299."


@pytest.mark.parametrize(
    ("numbers", "before", "said"),
    [
        ((1, 1, BEGINNING + 9), bytes(32), "its seq is 1; 0 comes next for its index."),
        ((2, 0, BEGINNING + 9), bytes(32), "it says that it follows a release, and its index had no entry."),
        ((1, 0, BEGINNING + 9), sha256(b"invented"), "it does not name the update that its index had before."),
        ((3, 0, BEGINNING + 9), bytes(32), "its kind is 3; there are 1 and 2."),
    ],
    ids=["seq", "release", "before", "kind"],
)
def test_first_entry_of_an_index_that_cannot_be_is_named(
    numbers: tuple[int, int, int], before: bytes, said: str, audits: Audits, capsys: pytest.CaptureFixture[str]
) -> None:
    log = MadeLog().fill(5)
    log.write(sha256(b"somebody"), sha256(b"a statement"), numbers, before)
    assert faulty(audits, log, capsys) == f"Entry 5 is wrong: {said} The log signed it."


def test_release_of_an_index_that_was_there_is_in_order(audits: Audits) -> None:
    log = MadeLog().fill(5)
    log.append("client 0", kind=2)
    assert audits.audit(log) is Exit.IN_ORDER


def test_entry_that_was_changed_behind_the_log_is_told_from_one_that_it_signed(
    audits: Audits, capsys: pytest.CaptureFixture[str]
) -> None:
    audits.publish(MadeLog().fill(300))
    bundle = bytearray(audits.files["tile/entries/000"])
    bundle[144 * 7 + 100] ^= 1
    audits.files["tile/entries/000"] = bytes(bundle)
    assert audits.run() is Exit.FAULT
    assert "Entry 7 is wrong" in (said := capsys.readouterr().err)
    assert "It is not the entry that the log signed" in said


def test_other_entries_than_those_in_the_signed_tree_are_named(
    audits: Audits, capsys: pytest.CaptureFixture[str]
) -> None:
    audits.publish(MadeLog().fill(300))
    other = MadeLog().fill(298)
    other.append("another")
    other.append("another still")
    entries = {name: data for name, data in other.published(0).items() if "entries" in name}
    audits.files |= entries
    assert audits.run() is Exit.FAULT
    said = "Entry 298 as it is served is not the one in the tree that the log signed.\n"
    assert capsys.readouterr().err == said


def test_tile_that_was_served_full_since_takes_the_place_of_the_partial_one(audits: Audits) -> None:
    log = MadeLog().fill(300)
    audits.publish(log)
    checkpoint = log.checkpoint(time.time(), 200).encode()
    audits.files["checkpoint"] = checkpoint
    assert audits.run() is Exit.IN_ORDER


def test_log_that_is_not_served_is_not_called_faulty(audits: Audits, capsys: pytest.CaptureFixture[str]) -> None:
    audits.publish(MadeLog().fill(300))
    del audits.files["tile/entries/001.p/44"]
    assert audits.run() is Exit.NOT_AUDITED
    assert capsys.readouterr().err.startswith("tile/entries/001.p/44 is missing")
    audits.files.clear()
    assert audits.run() is Exit.NOT_AUDITED
    assert not audits.state.exists()


def test_watch_goes_on_until_a_fault(audits: Audits, capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadPoolExecutor(1) as threads:
        ended = threads.submit(audits.run, "--watch", "--every", "0.01")
        audits.publish(MadeLog().fill(3))
        while not audits.state.exists():
            time.sleep(0.01)
        audits.publish(MadeLog().fill(2))
        assert ended.result() is Exit.FAULT
    assert capsys.readouterr().err.endswith("The log shrank: it had 3 entries, now 2.\n")


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "1e30", "soon"])
def test_pause_that_is_none_is_refused(audits: Audits, capsys: pytest.CaptureFixture[str], seconds: str) -> None:
    audits.publish(MadeLog().fill(3))
    with pytest.raises(SystemExit) as ended:
        audits.run("--watch", f"--every={seconds}")
    assert ended.value.code == Exit.USAGE
    assert "Write a number of seconds above 0 and up to 86400." in capsys.readouterr().err


def test_damaged_state_is_refused_and_not_believed(audits: Audits, capsys: pytest.CaptureFixture[str]) -> None:
    assert audits.audit(MadeLog().fill(10)) is Exit.IN_ORDER
    whole = audits.state.read_bytes()
    for position in range(0, len(whole), 97):
        damaged = bytearray(whole)
        damaged[position] ^= 1
        audits.state.write_bytes(damaged)
        assert audits.run() is Exit.NOT_AUDITED
    assert "is damaged, or no state of this auditor" in capsys.readouterr().err
    audits.state.write_bytes(whole)
    other = "another.example.org"
    audits.arguments[1] = vkey(name=other)
    assert audits.run() is Exit.NOT_AUDITED
    assert "is the state of another log" in capsys.readouterr().err


def test_auditor_needs_nothing_of_the_repository(audits: Audits, tmp_path: Path) -> None:
    audits.publish(MadeLog().fill(3))
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "auditor").symlink_to(ROOT / "auditor")
    installed = Path(cryptography.__file__).parents[1]
    for package in installed.iterdir():
        if package.name.startswith(("cryptography", "cffi", "_cffi", "pycparser")):
            (packages / package.name).symlink_to(package)
    run = f"import sys; sys.path.append({str(packages)!r}); from auditor.__main__ import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", run, *audits.arguments], check=False, capture_output=True, text=True
    )
    assert (done.stderr, done.returncode) == ("", Exit.IN_ORDER)
    assert "3 entries, 3 of them new" in done.stdout
