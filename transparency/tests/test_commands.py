"""newlogkeys, buildlog and checklog: a log that is built is the one that grew, and every changed row is named."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from pkd import release
from pkd.models import Identity, PublicKey, Statement
from transparency.build import build
from transparency.check import check
from transparency.guard import Tree
from transparency.keys import LogKeys, current
from transparency.models import Entry, Piece
from transparency.tests.logged import BEGAN, MIGRATION, TRUST, accepts, empty_log, keys

__all__ = ["keys"]

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = bytes.fromhex(TRUST["roots"][2])
STATEMENTS = import_module("pkd.migrations.0006_statements_stay")


def run(name: str) -> list[str]:
    out = io.StringIO()
    call_command(name, stdout=out)
    return out.getvalue().splitlines()


def logged() -> list[tuple[int, bytes, bytes]]:
    rows = Entry.objects.values_list("number", "data", "hashes")
    return [(number, bytes(data), bytes(hashes)) for number, data, hashes in rows]


def pieces() -> dict[str, bytes]:
    return {name: bytes(content) for name, content in Piece.objects.values_list("name", "content")}


def test_new_keys_are_two_lines_that_the_settings_take(settings: LazySettings) -> None:
    lines = run("newlogkeys")
    names, values = zip(*(line.split("=", 1) for line in lines), strict=True)
    assert names == ("LOG_KEY", "LOG_VRF_KEY")
    assert len({*values, *(line.split("=", 1)[1] for line in run("newlogkeys"))}) == 4
    settings.DIRECTORY_NAME, settings.LOG_KEY, settings.LOG_VRF_KEY = "calls.example.org", *values
    found = current()
    assert found is not None
    assert found.vkey.startswith("calls.example.org/")


def test_log_that_is_built_is_the_one_that_grew(keys: LogKeys) -> None:
    accepts(keys, 0, at=BEGAN + timedelta(seconds=5))
    for number in (1, 2):
        accepts(keys, number)
    grown, tree = logged(), pieces()
    # As if there had been no log when they were accepted.
    empty_log()
    assert list(check(keys, None)) == [f"Row {pk} of the statements has no entry." for pk in row_numbers()]
    assert run("buildlog") == ["Appended 3; the log has 3 entries.", TRUST["vkey"]]
    assert (logged(), pieces()) == (grown, tree)
    assert run("buildlog")[0] == "Appended 0; the log has 3 entries."
    assert list(check(keys, None)) == []


def row_numbers() -> list[int]:
    """The statements' primary keys, by client ID."""
    return list(Statement.objects.order_by("identity_id", "seq").values_list("pk", flat=True))


def test_statements_of_a_process_without_the_log_are_appended_later(keys: LogKeys) -> None:
    accepts(keys, 0)
    for number in (1, 2):
        accepts(None, number)
    assert build(keys) == (2, 3)
    assert [data.hex() for _, data, _ in logged()] == TRUST["entries"]


def test_statement_that_is_lacking_between_others_stops_the_building(keys: LogKeys) -> None:
    accepts(keys, 0)
    Statement.objects.create(identity=Identity.objects.get(), seq=2, kind=1, text="the third", by_identity="")
    with pytest.raises(CommandError, match="earlier statements"):
        run("buildlog")
    assert len(logged()) == 1


def test_commands_say_that_there_is_no_log(keys: LogKeys, settings: LazySettings) -> None:
    assert keys.vkey
    settings.LOG_KEY = ""
    for name in ("buildlog", "checklog"):
        with pytest.raises(CommandError, match="newlogkeys"):
            run(name)


def test_erased_id_is_as_it_should_be(keys: LogKeys) -> None:
    for number in range(3):
        accepts(keys, number)
    release.erase(PublicKey.objects.get(client_id="alice"), "olga", "asked for")
    assert list(check(keys, Tree(3, ROOT))) == []
    assert build(keys) == (0, 3)


# What somebody with the database does, and what is named.
CHANGES = {
    "UPDATE transparency_entry SET number = 7 WHERE number = 2": "Entry 7: its number is not the next one.",
    "UPDATE transparency_entry SET seq = 5 WHERE number = 1": "Entry 1: the columns beside it say something else.",
    "UPDATE transparency_entry SET hashes = data WHERE number = 1": "Entry 1: the hashes beside it are others.",
    "UPDATE transparency_entry SET data = hashes WHERE number = 1": "Entry 1: An entry has 142 bytes.",
    "DELETE FROM transparency_entry WHERE number = 2": "There are 2 entries, of which 3 were signed: ",
    "UPDATE transparency_piece SET content = data FROM transparency_entry WHERE name = ''": "The piece '' of the",
    "DELETE FROM transparency_piece": "The piece '' of the prefix tree is not what the entries make of it.",
    "UPDATE pkd_statement SET text = 'another'": "has another entry.",
    "UPDATE pkd_statement SET seq = 9 WHERE seq = 1": "has no entry.",
    "UPDATE pkd_publickey SET client_id = 'mallory' WHERE client_id = 'bob'": "belongs to no statement.",
}


def test_every_changed_row_is_named(keys: LogKeys, settings: LazySettings, tmp_path: Path) -> None:
    settings.LOG_GUARD = str(tmp_path / "guard")
    Path(settings.LOG_GUARD).write_text(f"{keys.vkey} 3 {ROOT.hex()}\n")
    for number in range(3):
        accepts(keys, number)
    assert run("checklog") == ["The log is as it should be. The guard has 3 entries."]
    for change, sentence in CHANGES.items():
        with transaction.atomic(), unguarded() as cursor:
            cursor.execute(change)
            assert any(sentence in line for line in check(keys, Tree(3, ROOT))), change
            transaction.set_rollback(True)
    Path(settings.LOG_GUARD).write_text(f"{keys.vkey} 3 {bytes(32).hex()}\n")
    with pytest.raises(SystemExit):
        run("checklog")
    settings.LOG_GUARD = str(tmp_path)
    with pytest.raises(CommandError, match="guard"):
        run("checklog")


@contextmanager
def unguarded() -> Iterator[CursorWrapper]:
    """Change what the triggers guard, as who owns the database can; a rollback brings them back."""
    with connection.cursor() as cursor:
        for migration in (MIGRATION, STATEMENTS):
            for step in migration.DROP[connection.vendor]:
                cursor.execute(step)
        yield cursor
