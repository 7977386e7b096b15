"""Statements stay: what the models and the database itself refuse."""

from collections.abc import Iterator

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from pkd import directory
from pkd.models import HistoryIsAppendOnlyError, Identity, PublicKey, Statement
from pkd.statements import Signatures

pytestmark = pytest.mark.django_db(transaction=True)


def erase_all() -> None:
    """Empty the table as erasing does; the database refuses every other way, a test's too."""
    Identity.objects.update(erased_at=timezone.now())
    Statement.objects.all().erase()


@pytest.fixture
def statement(transactional_db: None) -> Iterator[Statement]:  # noqa: ARG001  # pytest's way to ask for the database
    directory.store("alice", "key")
    now = timezone.now()
    identity = Identity.objects.create(
        key=PublicKey.objects.get(), identity="identity", seq=0, last_kind=1, owned_since=now, changed_at=now
    )
    yield Statement.objects.create(identity=identity, seq=0, kind=1, text="text\n", by_identity="signature")
    erase_all()


def refuses(sql: str) -> None:
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


def test_database_refuses_to_change_or_delete_a_statement(statement: Statement) -> None:
    refuses("UPDATE pkd_statement SET text = 'another'")
    refuses("UPDATE pkd_statement SET seq = 1")
    refuses("DELETE FROM pkd_statement")
    assert Statement.objects.get().text == statement.text


def test_postgres_refuses_to_truncate_statements_of_who_is_not_erased(statement: Statement) -> None:
    if connection.vendor != "postgresql":
        # Another database has no way around the triggers of rows.
        refuses("DELETE FROM pkd_statement")
        return
    for sql in ("TRUNCATE pkd_statement CASCADE", "TRUNCATE pkd_identity CASCADE", "TRUNCATE pkd_publickey CASCADE"):
        refuses(sql)
    assert Statement.objects.get().text == statement.text
    Identity.objects.update(erased_at=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE pkd_statement CASCADE")
    assert Statement.objects.count() == 0


def test_models_refuse_to_change_or_delete_a_statement(statement: Statement) -> None:
    statement.text = "another\n"
    with pytest.raises(HistoryIsAppendOnlyError):
        statement.save()
    with pytest.raises(HistoryIsAppendOnlyError):
        statement.delete()
    for rows in (Statement.objects.all(), statement.identity.statements.all()):
        with pytest.raises(HistoryIsAppendOnlyError):
            rows.update(text="another\n")
        with pytest.raises(HistoryIsAppendOnlyError):
            rows.delete()
    assert Statement.objects.get().text == "text\n"


def test_erasing_is_refused_unless_the_client_id_is_erased(statement: Statement) -> None:
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Statement.objects.all().erase()
    Identity.objects.update(erased_at=timezone.now())
    refuses("UPDATE pkd_statement SET text = 'another'")
    statement.identity.statements.all().erase()
    assert Statement.objects.count() == 0


def test_statement_has_its_place_to_itself(statement: Statement) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Statement.objects.create(identity=statement.identity, seq=0, kind=1, text="fork\n", by_identity="signature")


def test_signatures_come_back_as_they_came(statement: Statement) -> None:
    assert statement.signatures == Signatures("signature", None, None)
    assert (str(statement), str(statement.identity)) == ("alice 0", "alice")
