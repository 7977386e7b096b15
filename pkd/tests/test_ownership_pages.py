"""What operators see of owners, and how they release and erase client IDs."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from pkd import directory, keys, release
from pkd.acceptance import Offered, accept
from pkd.admin.ownership import in_words
from pkd.identities import standing
from pkd.models import PublicKey, Release, Statement
from pkd.statements import NOTHING
from pkd.tests.owners import DIRECTORY, Identity, Recovery, first, following, signed
from pkd.tests.test_actions import Selection
from pkd.tests.test_admin import listed, page_of, read
from pkd.tests.test_append_only_statements import erase_all

pytestmark = pytest.mark.django_db

ALICE, NEW_PHONE = Identity("alice 1"), Identity("alice 2")
PAPER, NEW_PAPER = Recovery("paper"), Recovery("new paper")
OWNED = first(ALICE)


@pytest.fixture(autouse=True)
def directory_with_owners(transactional_db: None, settings: Settings) -> Iterator[None]:  # noqa: ARG001
    settings.DIRECTORY_NAME = DIRECTORY
    accept(Offered(ALICE.public, OWNED, signed(OWNED, ALICE), is_registered=True), lambda: 0)
    directory.store("bob", "bob's key")
    yield
    erase_all()


def lives_through_everything() -> None:
    """Have Alice's ID take one statement of each kind."""
    coded = following(OWNED, recovery=PAPER.public)
    moved = following(coded, identity=NEW_PHONE.public)
    restored = following(moved, identity=ALICE.public, recovery=NEW_PAPER.public, key=keys.digest("another"))
    closed = following(restored, key=NOTHING)
    for statement, signatures, key in (
        (coded, signed(coded, ALICE), ALICE.public),
        (moved, signed(moved, NEW_PHONE, previous=ALICE), ALICE.public),
        (restored, signed(restored, ALICE, recovery=PAPER), "another"),
        (closed, signed(closed, ALICE), None),
    ):
        accept(Offered(key, statement, signatures, is_registered=False), lambda: 0)
    taken = following(closed, identity=NEW_PHONE.public, recovery=NOTHING)
    release.decide(PublicKey.objects.get(client_id="alice"), "olga", "lost everything")
    Release.objects.update(takes_effect_at=timezone.now() - timedelta(seconds=1))
    accept(Offered(None, taken, signed(taken, NEW_PHONE), is_registered=True), lambda: 0)


WORDS = [
    "made the client ID its own, without a recovery code.",
    "made a recovery code.",
    "moved to another key, signed by the old key.",
    "moved to another key, signed by the recovery code; made another recovery code; published another public key.",
    "withdrew the public key.",
    "took the client ID after a release, signed by the new key alone.",
]


def test_statements_are_said_in_words(admin_pages: Client) -> None:
    lives_through_everything()
    rows = list(Statement.objects.order_by("seq"))
    assert [in_words(row, before) for row, before in zip(rows, [None, *rows], strict=False)] == WORDS
    page = read(admin_pages, page_of("alice"))
    places = [page.index(words) for words in WORDS]
    assert places == sorted(places, reverse=True)


def test_page_says_to_whom_a_client_id_belongs(admin_pages: Client) -> None:
    page = read(admin_pages, page_of("alice"))
    assert f"{timezone.now():%Y-%m-%d}" in page
    assert "Recovery code: no" in page
    assert "Recovery code: -" in read(admin_pages, page_of("bob"))
    release.decide(PublicKey.objects.get(client_id="alice"), "olga", "why")
    assert "pending, takes effect" in read(admin_pages, page_of("alice"))
    Release.objects.update(takes_effect_at=timezone.now() - timedelta(seconds=1), to=NEW_PHONE.public)
    assert "in effect since" in read(admin_pages, page_of("alice"))
    assert "for the named key alone" in read(admin_pages, page_of("alice"))


def test_filters_find_owned_and_released_client_ids(admin_pages: Client) -> None:
    assert (listed(admin_pages, owned="yes"), listed(admin_pages, owned="no")) == ({"alice"}, {"bob"})
    assert listed(admin_pages, release="pending") == listed(admin_pages, release="effect") == set()
    release.decide(PublicKey.objects.get(client_id="alice"), "olga", "why")
    assert (listed(admin_pages, release="pending"), listed(admin_pages, release="effect")) == ({"alice"}, set())
    Release.objects.update(takes_effect_at=timezone.now() - timedelta(seconds=1))
    assert (listed(admin_pages, release="pending"), listed(admin_pages, release="effect")) == (set(), {"alice"})
    release.erase(PublicKey.objects.get(client_id="alice"), "olga", "why")
    assert (listed(admin_pages, owned="yes"), listed(admin_pages, owned="erased")) == (set(), {"alice"})
    assert "erased" in read(admin_pages, page_of("alice"))


def test_operator_releases_a_client_id_with_a_reason(admin_pages: Client) -> None:
    selection = Selection(admin_pages, "alice", action="release_selected")
    assert "72 hours later" in selection.select()
    assert selection.confirm("lost everything") == "Released the key of alice."
    (change, *_) = PublicKey.objects.get(client_id="alice").history.all()
    assert (change.kind, change.who, change.reason) == ("released", "olga", "lost everything")
    assert standing("alice").released_at_ms is not None
    assert "already released" in selection.select()


def test_operator_names_the_new_owner_of_a_released_client_id(admin_pages: Client) -> None:
    selection = Selection(admin_pages, "alice", action="release_selected")
    assert 'name="new_owner"' in selection.select()
    # A point that is not on the curve, and a text that was cut.
    for wrong in (f"{NEW_PHONE.public[:-2]}AA", NEW_PHONE.public[:-1]):
        refused = selection.confirm("lost everything", new_owner=wrong)
        assert "Nothing was done yet. Give an identity: a P-256 key as SubjectPublicKeyInfo" in refused
    assert not Release.objects.exists()
    assert selection.confirm("lost everything", new_owner=f" {NEW_PHONE.public}\n") == "Released the key of alice."
    assert Release.objects.get().to == NEW_PHONE.public
    assert 'name="new_owner"' not in Selection(admin_pages, "bob").select()


@pytest.mark.parametrize("to", ["key", NEW_PHONE.public[:-1], f"{NEW_PHONE.public}\n"])
def test_client_id_is_released_to_no_text_that_is_no_identity(to: str) -> None:
    with pytest.raises(ValueError, match="Give an identity"):
        release.decide(PublicKey.objects.get(client_id="alice"), "olga", "lost everything", to=to)
    assert not Release.objects.exists()


def test_operator_erases_a_client_id_with_a_reason(admin_pages: Client) -> None:
    assert Selection(admin_pages, "alice", action="erase_selected").confirm("asked for") == "Erased the key of alice."
    assert standing("alice").status == "erased"
    assert "belongs to no key" in Selection(admin_pages, "bob", action="erase_selected").select()


@pytest.mark.parametrize("action", ["release_selected", "erase_selected"])
def test_who_may_only_look_neither_releases_nor_erases(viewer_pages: Client, action: str) -> None:
    Selection(viewer_pages, "alice", action=action).confirm("why")
    assert (standing("alice").status, standing("alice").released_at_ms) == ("signed", None)
