"""Statements and the directory: who may claim, what is refused in which order, and what follows from one."""

import io
import json
import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import transaction
from django.utils import timezone

from pkd import acceptance, directory, keys, release
from pkd.acceptance import Accepted, Offered, TooManyError, accept
from pkd.claimed import NotTheirsError
from pkd.decisions import FREEZE, LIFT, REVOKE, NothingToDoError
from pkd.files.export import as_json_lines
from pkd.files.import_keys import Import
from pkd.identities import Listed, all_owned_ids, changed_since, owned, page_after, standing, token_of
from pkd.models import Identity, KeyChange, PublicKey, Release, Statement
from pkd.statements import NOTHING, BadStatementError, Signatures
from pkd.tests.owners import DIRECTORY, Recovery, first, following, signed
from pkd.tests.owners import Identity as Key
from pkd.tests.test_append_only_statements import erase_all
from pkd.tests.threads import all_at_once

pytestmark = pytest.mark.django_db(transaction=True)

ALICE, NEW_PHONE, THIEF = Key("alice 1"), Key("alice 2"), Key("thief")
PAPER, THIEFS_PAPER = Recovery("paper"), Recovery("thief's paper")
OWNED = first(ALICE, PAPER.public)
MOVED = following(OWNED, identity=NEW_PHONE.public)
TAKEN = following(OWNED, identity=THIEF.public, recovery=NOTHING)


@pytest.fixture(autouse=True)
def directory_with_owners(transactional_db: None, settings: LazySettings) -> Iterator[None]:  # noqa: ARG001
    settings.DIRECTORY_NAME = DIRECTORY
    yield
    erase_all()


def offers(statement: Any, signatures: Signatures, key: str | None = None, *, registered: bool = True) -> Accepted:
    public_key = ALICE.public if key is None else key
    offered = Offered(None if statement.key == NOTHING else public_key, statement, signatures, registered)
    return accept(offered, lambda: 0)


def claims(statement: Any = OWNED, **options: Any) -> Accepted:
    return offers(statement, signed(statement, ALICE), **options)


def alice() -> PublicKey:
    return PublicKey.objects.get(client_id="alice")


def owner() -> tuple[str, bool, bool]:
    found = owned("alice")
    assert found is not None
    return found.identity, found.is_released, found.is_erased


def published_ago(hours: float, key: str = ALICE.public) -> None:
    """Publish a key as if it had been so many hours ago; the history's rows are added and never changed."""
    at = timezone.now() - timedelta(hours=hours)
    row = PublicKey.objects.create(
        client_id="alice", public_key=key, fingerprint=directory.fingerprint(key), first_seen=at, last_change=at
    )
    row.history.create(at=at, kind=KeyChange.Kind.PUBLISHED, who="client", new_fingerprint=row.fingerprint)


def in_effect() -> None:
    Release.objects.update(takes_effect_at=timezone.now() - timedelta(seconds=1))


def had_for(days: int) -> None:
    Identity.objects.update(owned_since=timezone.now() - timedelta(days=days))


def test_free_client_id_is_claimed_and_looked_up() -> None:
    assert claims() == Accepted(token_of(ALICE.public, 0), has_new_owner=True, change=KeyChange.Kind.PUBLISHED)
    found = standing("alice")
    assert found == (
        ALICE.public,
        "signed",
        [Listed(1, OWNED.text, Statement.objects.get().signatures)],
        DIRECTORY,
        None,
    )
    assert directory.current_key("alice") == ALICE.public
    assert owner() == (ALICE.public, False, False)


def test_first_statement_needs_a_connection_that_is_registered() -> None:
    with pytest.raises(NotTheirsError, match="Register"):
        claims(registered=False)
    # Nothing of what was refused is left.
    assert not PublicKey.objects.exists()


def test_later_statements_need_no_connection() -> None:
    claims()
    offers(MOVED, signed(MOVED, NEW_PHONE, recovery=PAPER), registered=False)
    assert owner() == (NEW_PHONE.public, False, False)


def test_client_id_with_a_key_is_claimed_by_that_key_alone() -> None:
    published_ago(25, THIEF.public)
    with pytest.raises(NotTheirsError, match="for 24 hours"):
        claims()


def test_key_of_a_day_claims_its_client_id() -> None:
    published_ago(25)
    assert claims() == Accepted(token_of(ALICE.public, 0), has_new_owner=True, change=None)


def test_key_of_less_than_a_day_claims_nothing() -> None:
    published_ago(23.9)
    with pytest.raises(NotTheirsError):
        claims()


def test_strangers_key_that_was_published_over_anothers_claims_nothing_for_a_day() -> None:
    published_ago(1000)
    directory.store("alice", THIEF.public)
    statement = first(THIEF)
    with pytest.raises(NotTheirsError):
        offers(statement, signed(statement, THIEF), THIEF.public)
    # And neither does the owner, who publishes his own again and waits.
    directory.store("alice", ALICE.public)
    with pytest.raises(NotTheirsError):
        claims()


def test_revoked_key_claims_nothing() -> None:
    published_ago(25)
    REVOKE.decide(alice(), "olga", "stolen")
    with pytest.raises(NotTheirsError):
        claims()
    LIFT.decide(alice(), "olga", "a mistake")
    with pytest.raises(NotTheirsError):
        claims()


def test_key_that_is_no_identity_claims_nothing() -> None:
    published_ago(1000, "opaque key")
    statement = first(ALICE, key=keys.digest("opaque key"))
    with pytest.raises(NotTheirsError):
        offers(statement, signed(statement, ALICE), "opaque key")


def test_second_claim_is_somebody_elses() -> None:
    claims()
    statement = first(THIEF)
    with pytest.raises(NotTheirsError, match="belongs to another key"):
        offers(statement, signed(statement, THIEF), THIEF.public)


def test_same_statement_again_changes_nothing_and_counts_nothing() -> None:
    claims()
    changes = alice().history.count()
    for registered in (True, False):
        assert claims(registered=registered) == Accepted(token_of(ALICE.public, 0), is_repeated=True)
    # By its text alone: a client that signs anew writes another signature.
    assert offers(OWNED, Signatures(""), "another key") == Accepted(token_of(ALICE.public, 0), is_repeated=True)
    assert (Statement.objects.count(), alice().history.count()) == (1, changes)
    offers(MOVED, signed(MOVED, NEW_PHONE, recovery=PAPER))
    with pytest.raises(NotTheirsError):
        claims()


REFUSED: dict[str, tuple[Any, Signatures, str, str]] = {
    "of the wrong signature": (MOVED, signed(MOVED, ALICE), ALICE.public, "by the statement's own identity"),
    "by a thief": (TAKEN, signed(TAKEN, THIEF), ALICE.public, "Another identity needs"),
    "whose key does not fit": (MOVED, signed(MOVED, NEW_PHONE, ALICE), NEW_PHONE.public, "The line 'key'"),
}


@pytest.mark.parametrize(("statement", "signatures", "key", "sentence"), REFUSED.values(), ids=REFUSED)
def test_statement_is_refused(statement: Any, signatures: Signatures, key: str, sentence: str) -> None:
    claims()
    with pytest.raises(BadStatementError, match=sentence):
        offers(statement, signatures, key)
    assert owner() == (ALICE.public, False, False)


def test_statement_of_another_client_id_or_directory_has_not_its_shape() -> None:
    acceptance.check_shape("alice", OWNED)
    with pytest.raises(BadStatementError, match="'id'"):
        acceptance.check_shape("bob", OWNED)
    with pytest.raises(BadStatementError, match="'directory'"):
        acceptance.check_shape("alice", OWNED._replace(directory="calls.example.net"))


def test_frozen_client_id_takes_no_statement() -> None:
    claims()
    FREEZE.decide(alice(), "olga", "a dispute")
    with pytest.raises(BadStatementError, match="frozen"):
        offers(MOVED, signed(MOVED, NEW_PHONE, recovery=PAPER))
    assert claims().is_repeated


def test_withheld_key_stays_withheld_whatever_else_the_owner_says() -> None:
    claims()
    REVOKE.decide(alice(), "olga", "stolen")
    assert (standing("alice").public_key, standing("alice").status) == (None, "revoked")
    offers(MOVED, signed(MOVED, NEW_PHONE, recovery=PAPER))
    assert (standing("alice").public_key, standing("alice").status) == (None, "revoked")
    other = following(MOVED, key=keys.digest("another"))
    assert offers(other, signed(other, NEW_PHONE), "another").change == KeyChange.Kind.CHANGED
    assert (standing("alice").public_key, standing("alice").status) == ("another", "signed")
    back = following(other, key=keys.digest(ALICE.public))
    with pytest.raises(BadStatementError, match="revoked"):
        offers(back, signed(back, NEW_PHONE))


def test_owner_withdraws_his_key_and_publishes_one_again() -> None:
    claims()
    none = following(OWNED, key=NOTHING)
    assert offers(none, signed(none, ALICE)).change == KeyChange.Kind.WITHDRAWN
    assert standing("alice")[:2] == (None, "signed")
    again = following(none, key=keys.digest(ALICE.public))
    assert offers(again, signed(again, ALICE)).change == KeyChange.Kind.PUBLISHED
    assert standing("alice")[:2] == (ALICE.public, "signed")
    assert [change.kind for change in alice().history.all()] == ["published", "withdrawn", "published"]


def test_key_of_an_owned_client_id_is_published_by_statements_alone() -> None:
    claims()
    for key in (ALICE.public, THIEF.public):
        with pytest.raises(directory.KeyOwnedError):
            directory.store("alice", key)


def test_statements_are_listed_from_the_one_that_is_known(settings: LazySettings) -> None:
    settings.LIMIT_STATEMENTS_PER_DAY = 0
    claims()
    statement = OWNED
    for number in range(40):
        statement = following(statement, key=keys.digest(str(number)))
        offers(statement, signed(statement, ALICE), str(number))
    everything = standing("alice").statements
    assert [row.text.split("\n")[3] for row in everything] == [f"seq {seq}" for seq in range(32)]
    rest = standing("alice", 31).statements
    assert (len(rest), rest[0].signatures, rest[-1].text) == (10, None, statement.text)
    assert rest[1].signatures is not None
    assert [row.text for row in standing("alice", 40).statements] == [statement.text]
    assert standing("alice", 41).statements == []


def test_unknown_client_id_is_unsigned() -> None:
    assert standing("nobody") == (None, "unsigned", [], DIRECTORY, None)
    directory.store("bob", "key of bob")
    assert standing("bob") == ("key of bob", "unsigned", [], DIRECTORY, None)
    REVOKE.decide(PublicKey.objects.get(client_id="bob"), "olga", "stolen")
    assert standing("bob") == (None, "unsigned", [], DIRECTORY, None)
    assert owned("bob") is None


def test_statements_of_a_day_are_limited_by_who_signs(settings: LazySettings) -> None:
    settings.LIMIT_STATEMENTS_PER_DAY = 3
    claims()
    statement = OWNED
    for number in range(2):
        statement = following(statement, key=keys.digest(str(number)))
        offers(statement, signed(statement, ALICE), str(number))
    one_more = following(statement, key=NOTHING)
    with pytest.raises(TooManyError) as refused:
        offers(one_more, signed(one_more, ALICE))
    assert 86_000 < refused.value.retry_after_seconds <= 86_400
    # A thief who used them up keeps nobody from recovering.
    for number in range(3):
        statement = following(statement, identity=(NEW_PHONE if number % 2 else ALICE).public, key=NOTHING)
        offers(statement, signed(statement, NEW_PHONE if number % 2 else ALICE, recovery=PAPER))
    one_more = following(statement)
    with pytest.raises(TooManyError):
        offers(one_more, signed(one_more, ALICE, recovery=PAPER))


def test_new_identities_are_limited_where_nothing_else_is_wrong() -> None:
    offered = Offered(ALICE.public, OWNED, signed(OWNED, ALICE), is_registered=True)
    with pytest.raises(TooManyError) as refused:
        accept(offered, lambda: 7.5)
    assert refused.value.retry_after_seconds == 7.5
    counted: list[float] = []

    def counts() -> float:
        counted.append(1)
        return 0

    with pytest.raises(BadStatementError):
        accept(offered._replace(public_key="another"), counts)
    assert counted == []
    accept(offered, lambda: 0)
    accept(offered, lambda: math.inf)


def test_statement_after_its_deadline_changes_nothing() -> None:
    with pytest.raises(directory.DirectoryUnavailableError):
        accept(Offered(ALICE.public, OWNED, signed(OWNED, ALICE), is_registered=True), lambda: 0, deadline=0)
    assert not PublicKey.objects.exists()


def test_of_two_first_statements_at_once_one_is_accepted() -> None:
    other = first(THIEF)

    def others() -> None:
        offers(other, signed(other, THIEF), THIEF.public)

    raised = all_at_once(claims, others)
    assert [type(error) for error in raised if error is not None] == [NotTheirsError]
    assert Statement.objects.count() == 1


def test_of_two_statements_with_one_place_one_is_accepted() -> None:
    claims()
    both = [following(OWNED, key=keys.digest(key)) for key in ("one", "two")]

    def offers_one() -> None:
        offers(both[0], signed(both[0], ALICE), "one")

    def offers_two() -> None:
        offers(both[1], signed(both[1], ALICE), "two")

    raised = all_at_once(offers_one, offers_two)
    assert [type(error) for error in raised if error is not None] == [BadStatementError]
    assert Statement.objects.count() == 2


def test_changed_client_ids_are_told_by_when_they_changed() -> None:
    before = timezone.now()
    claims()
    assert changed_since(before) == [owned("alice")]
    assert changed_since(timezone.now()) == []


def test_owned_client_ids_are_read_page_by_page() -> None:
    for number in range(5):
        statement = first(ALICE, client_id=f"alice-{number}")
        offers(statement, signed(statement, ALICE))
    found, last = [], 0
    while True:
        last, page = page_after(last, 2)
        if not page:
            break
        found += page
    assert found == [(f"alice-{number}", token_of(ALICE.public, 0)) for number in range(5)]
    assert sorted(all_owned_ids()) == [client_id for client_id, _ in found]


# --- Releases ---


def test_released_client_id_is_anybodys_after_its_hours() -> None:
    claims()
    before = timezone.now()
    decided = release.decide(alice(), "olga", "lost everything")
    assert timedelta(hours=71.9) < decided.takes_effect_at - before < timedelta(hours=72.1)
    assert standing("alice")[:2] == (ALICE.public, "signed")
    assert standing("alice").released_at_ms == round(decided.takes_effect_at.timestamp() * 1000)
    with pytest.raises(BadStatementError, match="Another identity"):
        offers(TAKEN, signed(TAKEN, THIEF))
    in_effect()
    assert standing("alice")[:2] == (None, "released")
    assert directory.current_key("alice") is None
    assert owner() == (ALICE.public, True, False)
    with pytest.raises(NotTheirsError, match="Register"):
        offers(TAKEN, signed(TAKEN, THIEF), registered=False)
    assert offers(TAKEN, signed(TAKEN, THIEF)).has_new_owner
    assert [row.kind for row in standing("alice").statements] == [1, 2]
    assert standing("alice")[:2] == (ALICE.public, "signed")
    assert standing("alice").released_at_ms is None


def test_client_id_is_released_to_the_named_identity_alone() -> None:
    claims()
    release.decide(alice(), "olga", "a proven name", NEW_PHONE.public)
    in_effect()
    with pytest.raises(NotTheirsError, match="released to another key"):
        offers(TAKEN, signed(TAKEN, THIEF))
    owners = following(OWNED, key=NOTHING)
    with pytest.raises(NotTheirsError, match="released to another key"):
        offers(owners, signed(owners, ALICE))
    assert offers(MOVED, signed(MOVED, NEW_PHONE)).has_new_owner


def test_owner_of_a_month_cancels_a_release_by_a_statement() -> None:
    claims()
    had_for(days=31)
    release.decide(alice(), "olga", "lost everything")
    offers(MOVED, signed(MOVED, NEW_PHONE, previous=ALICE))
    assert standing("alice").released_at_ms is None
    # Moving to another device changes no owner.
    assert Identity.objects.get().owned_since < timezone.now() - timedelta(days=30)
    assert [change.kind for change in alice().history.all()[:2]] == ["kept", "released"]


def test_owner_of_a_month_cancels_a_release_by_registering() -> None:
    claims()
    had_for(days=31)
    assert not release.cancel("alice")
    release.decide(alice(), "olga", "lost everything")
    assert release.cancel("alice")
    assert not Release.objects.exists()
    release.decide(alice(), "olga", "lost everything")
    in_effect()
    assert not release.cancel("alice")


def test_squatter_cancels_nothing() -> None:
    claims()
    had_for(days=29)
    release.decide(alice(), "olga", "took another's name")
    # What counts is how long he had had it when the operator decided.
    Release.objects.update(decided_at=timezone.now() - timedelta(days=1))
    had_for(days=30)
    assert not release.cancel("alice")
    offers(MOVED, signed(MOVED, NEW_PHONE, previous=ALICE))
    assert standing("alice").released_at_ms is not None


def test_owner_comes_back_by_statement_after_a_release() -> None:
    claims()
    release.decide(alice(), "olga", "lost everything")
    in_effect()
    # Whoever registered meanwhile has not signed, though the identity may be the same: what he claimed with is void.
    same = following(OWNED, key=NOTHING)
    assert offers(same, signed(same, ALICE), registered=False)[:2] == (token_of(ALICE.public, 1), True)
    assert [row.kind for row in standing("alice").statements] == [1, 1]
    assert standing("alice").status == "signed"


def test_released_key_that_is_no_identity_makes_room_for_one() -> None:
    published_ago(1000, "opaque key")
    release.decide(alice(), "olga", "cannot claim")
    with pytest.raises(NotTheirsError):
        claims()
    assert directory.current_key("alice") == "opaque key"
    in_effect()
    assert standing("alice")[:2] == (None, "unsigned")
    assert directory.current_key("alice") is None
    assert claims().change == KeyChange.Kind.CHANGED
    assert standing("alice")[:2] == (ALICE.public, "signed")


def test_released_client_id_without_an_owner_takes_a_key_again() -> None:
    published_ago(1000, "opaque key")
    release.decide(alice(), "olga", "nobody is there")
    in_effect()
    assert directory.store("alice", "opaque key") == KeyChange.Kind.CHANGED
    assert directory.current_key("alice") == "opaque key"
    release.decide(alice(), "olga", "a proven name", ALICE.public)
    in_effect()
    with pytest.raises(directory.KeyOwnedError):
        directory.store("alice", "another key")


def test_release_says_why_it_changes_nothing() -> None:
    with transaction.atomic():
        empty = PublicKey.objects.create(client_id="empty", first_seen=timezone.now(), last_change=timezone.now())
    with pytest.raises(NothingToDoError, match="nobody has it"):
        release.decide(empty, "olga", "why")
    claims()
    with pytest.raises(ValueError):  # noqa: PT011
        release.decide(alice(), "olga", " ")
    release.decide(alice(), "olga", "why")
    with pytest.raises(NothingToDoError, match="already released"):
        release.decide(alice(), "olga", "why")


# --- Erasing ---


def test_erased_client_id_is_closed() -> None:
    claims()
    release.decide(alice(), "olga", "why")
    release.erase(alice(), "olga", "asked for")
    assert Statement.objects.count() == 0
    assert standing("alice") == (None, "erased", [Listed(1)], DIRECTORY, None)
    assert directory.current_key("alice") is None
    assert owner() == (NOTHING, False, True)
    for statement in (OWNED, MOVED):
        with pytest.raises(BadStatementError, match="erased"):
            offers(statement, signed(statement, ALICE))
    with pytest.raises(directory.KeyOwnedError):
        directory.store("alice", "key")
    with pytest.raises(NothingToDoError, match="already erased"):
        release.erase(alice(), "olga", "again")
    with pytest.raises(NothingToDoError, match="erased"):
        release.decide(alice(), "olga", "again")
    assert [change.kind for change in alice().history.all()[:2]] == ["erased", "released"]


def test_client_id_without_an_owner_cannot_be_erased() -> None:
    directory.store("alice", "key")
    with pytest.raises(NothingToDoError, match="belongs to no key"):
        release.erase(alice(), "olga", "asked for")


# --- Files ---


def test_import_leaves_an_owned_client_id_alone_and_makes_no_owner() -> None:
    claims()
    line = {"clientId": "alice", "publicKey": THIEF.public, "revokedAt": "2026-01-31T15:04:05Z"}
    stranger = {"clientId": "bob", "publicKey": THIEF.public}
    file = io.BytesIO("".join(f"{json.dumps(record)}\n" for record in (line, stranger)).encode())
    imported = Import("olga", "a move", may_replace=True).run(file)
    assert (imported.new, imported.changed, imported.unchanged, imported.owned) == (1, 0, 0, ["alice"])
    assert standing("alice")[:2] == (ALICE.public, "signed")
    assert owned("bob") is None


def test_export_with_every_kind_of_change_is_imported_again() -> None:
    claims()
    FREEZE.decide(alice(), "olga", "a dispute")
    release.decide(alice(), "olga", "lost everything")
    exported = b"".join(as_json_lines(PublicKey.objects.all()))
    renamed = io.BytesIO(exported.replace(b'"clientId":"alice"', b'"clientId":"carol"'))
    assert Import("olga", "a copy").run(renamed).new == 1
    assert PublicKey.objects.get(client_id="carol").is_frozen
    assert owned("carol") is None
