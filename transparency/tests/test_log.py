"""Appending: the entries of the vectors, in the statements' transaction, one behind the other; and what stops it."""

import hashlib
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from pkd.models import HistoryIsAppendOnlyError, Identity, PublicKey, Statement
from pkd.tests.test_append_only_statements import erase_all
from pkd.tests.threads import all_at_once
from transparency import merkle, prefix_tree
from transparency.entry import Entry as LoggedEntry
from transparency.guard import Tree
from transparency.keys import LogKeys, current
from transparency.models import Entry, Log, Piece
from transparency.stored import Nodes, Pieces, StoppedError
from transparency.tests.logged import BEGAN, TRUST, accepts, keys, set_keys

__all__ = ["keys"]

pytestmark = pytest.mark.django_db(transaction=True)
ROOTS = [bytes.fromhex(text) for text in TRUST["roots"]]


def logged() -> list[str]:
    return [bytes(data).hex() for data in Entry.objects.values_list("data", flat=True)]


def test_entries_are_those_of_the_vectors(keys: LogKeys) -> None:
    for number in range(3):
        accepts(keys, number)
    assert logged() == TRUST["entries"]
    log = Log.objects.get()
    assert log.vkey == keys.vkey == TRUST["vkey"]
    assert [merkle.root(size, Nodes(log.pk)) for size in (1, 2, 3)] == ROOTS
    last = LoggedEntry.decode(bytes.fromhex(TRUST["entries"][2]))
    assert prefix_tree.root(Pieces(log.pk)) == last.prefix_root


def test_statement_takes_few_queries(keys: LogKeys) -> None:
    accepts(keys, 1)
    for number, most in ((0, 17), (2, 18)):
        with CaptureQueriesContext(connection) as captured:
            accepts(keys, number)
        queries = [query["sql"] for query in captured.captured_queries]
        assert len(queries) <= most, queries
        assert not [sql for sql in queries if "transparency_entry" in sql and "JOIN" in sql]


def test_statement_that_is_refused_leaves_no_entry(keys: LogKeys) -> None:
    accepts(keys, 0)
    # Alice's last statement does not follow once the first one is gone from the log's sight.
    with pytest.raises(DatabaseError), transaction.atomic():
        Entry.objects.create(log=Log.objects.get(), number=0, index=b"", seq=0, data=b"", hashes=b"")
    assert logged() == TRUST["entries"][:1]


def test_time_in_the_log_never_steps_back(keys: LogKeys) -> None:
    accepts(keys, 0)
    accepts(keys, 1, at=BEGAN - timedelta(hours=1))
    first, second = (LoggedEntry.decode(bytes.fromhex(data)) for data in logged())
    assert first.update.at_ms == second.update.at_ms


@pytest.mark.parametrize(
    "kept", [Tree(2, ROOTS[1]), Tree(1, ROOTS[1]), Tree(1, bytes(32))], ids=["larger", "another", "nothing"]
)
def test_database_without_the_tree_that_was_signed_takes_nothing(keys: LogKeys, kept: Tree) -> None:
    accepts(keys, 0)
    with pytest.raises(StoppedError):
        accepts(keys, 1, kept)
    assert (len(logged()), Statement.objects.count(), PublicKey.objects.count()) == (1, 1, 1)
    accepts(keys, 1, Tree(1, ROOTS[0]))
    # What was signed before is a part of what there is.
    accepts(keys, 2, Tree(1, ROOTS[0]))
    assert logged() == TRUST["entries"]


def test_log_without_earlier_statements_takes_nothing(keys: LogKeys) -> None:
    accepts(None, 0)
    for number in (1, 2):
        with pytest.raises(StoppedError, match="buildlog"):
            accepts(keys, number)
    assert not Log.objects.exists()


def test_log_without_an_earlier_statement_of_the_id_takes_nothing(keys: LogKeys) -> None:
    accepts(keys, 1)
    accepts(None, 0)
    with pytest.raises(StoppedError, match="buildlog"):
        accepts(keys, 2)
    assert len(logged()) == 1


def test_log_with_statements_that_the_directory_lost_takes_no_first_one(keys: LogKeys) -> None:
    accepts(keys, 0)
    erase_all()
    Identity.objects.all().delete()
    PublicKey.objects.update(public_key="", fingerprint="")
    with pytest.raises(StoppedError, match="checklog"):
        accepts(keys, 0)
    assert len(logged()) == 1


def test_other_keys_are_another_log(keys: LogKeys, settings: LazySettings) -> None:
    accepts(keys, 0)
    set_keys(settings, vrf_seed="00" * 32)
    other = current()
    assert other is not None
    assert other.vkey != keys.vkey
    with pytest.raises(StoppedError, match="buildlog"):
        accepts(other, 1)
    accepts(keys, 1)
    assert Log.objects.count() == 1


def test_prefix_tree_that_somebody_changed_stops_the_log(keys: LogKeys) -> None:
    accepts(keys, 0)
    Piece.objects.update(content=b"")
    with pytest.raises(StoppedError, match="prefix tree"):
        accepts(keys, 1)


def test_statements_at_once_are_dense_and_in_the_order_of_their_rows(keys: LogKeys) -> None:
    assert all_at_once(lambda: accepts(keys, 0), lambda: accepts(keys, 1)) == [None, None]
    updates = [LoggedEntry.decode(bytes.fromhex(data)).update for data in logged()]
    texts = Statement.objects.order_by("pk").values_list("text", flat=True)
    assert [update.statement for update in updates] == [hashlib.sha256(text.encode()).digest() for text in texts]
    assert list(Entry.objects.values_list("number", flat=True)) == [0, 1]


# The ways around triggers of rows, on the database that has them.
TRUNCATIONS = ("TRUNCATE transparency_entry", "TRUNCATE transparency_log CASCADE")


def test_database_refuses_to_change_or_delete_entries_and_logs(keys: LogKeys) -> None:
    accepts(keys, 0)
    for sql in (
        "UPDATE transparency_entry SET seq = 1",
        "UPDATE transparency_entry SET number = 7",
        "DELETE FROM transparency_entry",
        "UPDATE transparency_log SET vkey = 'another'",
        "DELETE FROM transparency_log",
        *(TRUNCATIONS if connection.vendor == "postgresql" else ()),
    ):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    entry = Entry.objects.get()
    for step in (entry.save, entry.delete, Entry.objects.all().delete, Log.objects.get().delete):
        with pytest.raises(HistoryIsAppendOnlyError):
            step()
    assert (str(entry), str(entry.log)) == ("0", keys.vkey)
