import pytest
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from pkd import directory
from pkd.models import HistoryIsAppendOnlyError, KeyChange, PublicKey

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def change() -> KeyChange:
    directory.store("alice", "first")
    return KeyChange.objects.get()


def test_history_row_cannot_be_saved_again(change: KeyChange) -> None:
    change.who = "mallory"
    with pytest.raises(HistoryIsAppendOnlyError):
        change.save()
    with pytest.raises(HistoryIsAppendOnlyError):
        change.save(force_update=True)
    assert KeyChange.objects.get().who == "client"


def test_new_object_cannot_take_a_history_rows_place(change: KeyChange) -> None:
    impostor = KeyChange(pk=change.pk, key=change.key, kind=KeyChange.Kind.CHANGED, who="mallory")
    with pytest.raises(IntegrityError), transaction.atomic():
        impostor.save()
    with pytest.raises(HistoryIsAppendOnlyError):
        impostor.save(force_update=True)
    assert KeyChange.objects.get().who == "client"


def test_history_row_cannot_be_deleted(change: KeyChange) -> None:
    with pytest.raises(HistoryIsAppendOnlyError):
        change.delete()
    assert KeyChange.objects.count() == 1


@pytest.mark.parametrize("manager", ["objects", "related", "base"])
def test_history_query_sets_can_neither_update_nor_delete(change: KeyChange, manager: str) -> None:
    base = KeyChange._base_manager.all()  # noqa: SLF001  what Django itself writes through
    rows = {"objects": KeyChange.objects.all(), "related": change.key.history.all(), "base": base}[manager]
    with pytest.raises(HistoryIsAppendOnlyError):
        rows.update(who="mallory")
    with pytest.raises(HistoryIsAppendOnlyError):
        rows.delete()
    with pytest.raises(HistoryIsAppendOnlyError):
        rows.bulk_update(list(rows), ["who"])
    with pytest.raises(HistoryIsAppendOnlyError):
        rows.bulk_create(list(rows), update_conflicts=True, unique_fields=["id"], update_fields=["who"])
    with pytest.raises(HistoryIsAppendOnlyError):
        rows.update_or_create(defaults={"who": "mallory"}, kind="published")
    assert [row.who for row in KeyChange.objects.all()] == ["client"]


def test_history_rows_can_be_added_in_bulk(change: KeyChange) -> None:
    KeyChange.objects.bulk_create([KeyChange(key=change.key, kind=KeyChange.Kind.CHANGED, who="client")])
    assert KeyChange.objects.count() == 2


def test_key_with_history_cannot_be_deleted(change: KeyChange) -> None:
    with pytest.raises(ProtectedError):
        change.key.delete()
    with pytest.raises(ProtectedError):
        PublicKey.objects.all().delete()
    assert PublicKey.objects.count() == 1
