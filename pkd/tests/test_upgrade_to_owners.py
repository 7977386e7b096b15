"""A directory of version 0.1.0 after its migrations: its client IDs come to belong to the keys that it has of them."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from pytest_django import Settings

from pkd import directory
from pkd.acceptance import Accepted, Offered, accept
from pkd.claimed import CURRENT_HOURS, NotTheirsError
from pkd.identities import standing, token_of
from pkd.models import KeyChange, PublicKey
from pkd.tests.owners import DIRECTORY, Identity, first, signed
from pkd.tests.test_append_only_statements import erase_all

pytestmark = pytest.mark.django_db(transaction=True)

# The last migration of 0.1.0.
BEFORE = [("pkd", "0004_keys_of_any_text")]
ALICE, STRANGER = Identity("alice 1"), Identity("stranger")


def migrate(targets: list[tuple[str, str]]) -> MigrationExecutor:
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    return MigrationExecutor(connection)


@pytest.fixture(autouse=True)
def latest(transactional_db: None, settings: Settings) -> Iterator[None]:  # noqa: ARG001
    """Leave the database as every other test finds it."""
    settings.DIRECTORY_NAME = DIRECTORY
    try:
        yield
    finally:
        migrate(MigrationExecutor(connection).loader.graph.leaf_nodes())
        erase_all()


def upgraded(*publications: tuple[Identity, float]) -> list[tuple[object, ...]]:
    """Have 0.1.0 take these keys of Alice's ID, each so many hours ago, then migrate; returns what its tables held."""
    executor = migrate(BEFORE)
    old = executor.loader.project_state(BEFORE).apps
    keys, changes = old.get_model("pkd", "PublicKey"), old.get_model("pkd", "KeyChange")
    before, row = "", None
    for identity, hours in publications:
        at, fingerprint = timezone.now() - timedelta(hours=hours), directory.fingerprint(identity.public)
        row = row or keys(client_id="alice", first_seen=at, changes=0)
        row.public_key, row.fingerprint, row.last_change = identity.public, fingerprint, at
        row.save()
        kind = "changed" if before else "published"
        changes.objects.create(
            key=row, at=at, kind=kind, who="client", old_fingerprint=before, new_fingerprint=fingerprint
        )
        before = fingerprint
    migrate(executor.loader.graph.leaf_nodes())
    return list(PublicKey.objects.values_list())


def claims(identity: Identity) -> Accepted:
    statement = first(identity)
    return accept(Offered(identity.public, statement, signed(statement, identity), is_registered=True), lambda: 0)


def test_client_id_belongs_to_the_key_that_it_had() -> None:
    before = upgraded((ALICE, CURRENT_HOURS + 0.1))
    assert claims(ALICE) == Accepted(token_of(ALICE.public, 0), has_new_owner=True)
    # The same key, of which safety numbers are, and nobody sees a change.
    assert list(PublicKey.objects.values_list()) == before
    assert [change.kind for change in KeyChange.objects.all()] == ["published"]
    assert standing("alice")[:2] == (ALICE.public, "signed")


def test_key_that_was_published_over_another_waits() -> None:
    upgraded((ALICE, 1000), (STRANGER, CURRENT_HOURS - 0.1))
    for identity in (STRANGER, ALICE):
        with pytest.raises(NotTheirsError):
            claims(identity)
    # Meanwhile its owner publishes his own again; from then on the other one is nobody's.
    directory.store("alice", ALICE.public)
    with pytest.raises(NotTheirsError):
        claims(STRANGER)


def test_key_that_was_not_put_back_for_a_day_is_the_owners() -> None:
    upgraded((ALICE, 1000), (STRANGER, CURRENT_HOURS + 0.1))
    with pytest.raises(NotTheirsError):
        claims(ALICE)
    assert claims(STRANGER).has_new_owner
