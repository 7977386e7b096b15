from datetime import datetime, timedelta
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from pkd import decisions, directory
from pkd.decisions import FREEZE, REVOKE
from pkd.models import Identity, PublicKey
from pkd.tests.owners import Identity as Key
from pkd.tests.owners import Recovery, first

pytestmark = pytest.mark.django_db

KEYS = "/api/keys/"
HISTORY = "/api/keys/alice/history/"


@pytest.fixture(autouse=True)
def alice() -> PublicKey:
    directory.store("alice", "alice's key")
    return PublicKey.objects.get()


def utc(moment: datetime | None) -> str:
    assert moment is not None
    return moment.isoformat().replace("+00:00", "Z")


def found(api: Client, **parameters: str) -> list[str]:
    return [key["clientId"] for key in api.get(KEYS, parameters).json()["results"]]


def test_keys_are_listed_by_client_id(api: Client, alice: PublicKey) -> None:
    directory.store("Zoe", "key")
    found = api.get("/api/keys/").json()
    assert [key["clientId"] for key in found["results"]] == ["Zoe", "alice"]
    assert found["results"][1] == {
        "clientId": "alice",
        "fingerprint": directory.fingerprint("alice's key"),
        "firstSeen": utc(alice.first_seen),
        "lastChange": utc(alice.last_change),
        "changes": 0,
        "revoked": False,
        "frozen": False,
        "status": "unsigned",
        "ownedSince": None,
        "recoveryCode": None,
        "statements": 0,
    }


def test_keys_are_given_in_pages(api: Client) -> None:
    for number in range(5):
        directory.store(f"client-{number}", "key")
    page = api.get("/api/keys/?limit=4&offset=4").json()
    assert (page["count"], len(page["results"]), page["next"]) == (6, 2, None)
    assert "limit=4" in page["previous"]


def test_one_key_comes_with_its_text_and_history(api: Client, alice: PublicKey) -> None:
    REVOKE.decide(alice, "olga", "stolen")
    alice.refresh_from_db()
    found = api.get("/api/keys/alice/").json()
    fingerprint = directory.fingerprint("alice's key")
    assert (found["clientId"], found["publicKey"], found["revoked"]) == ("alice", "alice's key", True)
    revoked, published = found["history"]
    assert revoked == {
        "at": utc(alice.revoked_at),
        "kind": "revoked",
        "who": "olga",
        "oldFingerprint": fingerprint,
        "newFingerprint": None,
        "reason": "stolen",
    }
    assert (published["kind"], published["who"]) == ("published", "client")
    assert (published["oldFingerprint"], published["newFingerprint"]) == (None, fingerprint)


@pytest.mark.parametrize("client_id", ["nobody", "alice%0A", "ali%00ce", "a" * 65, "..", "%F0%9F%94%91"])
def test_unknown_client_is_not_found(api: Client, client_id: str) -> None:
    assert api.get(f"/api/keys/{client_id}/").status_code == 404


# --- Narrowing the list down ------------------------------------------------------------------------


def test_keys_are_found_by_a_part_of_the_client_id_or_a_fingerprints_beginning(api: Client) -> None:
    directory.store("Malice-2", "key")
    directory.store("bob", "bob's key")
    fingerprint = directory.fingerprint("bob's key")
    assert found(api, search="ALICE") == ["Malice-2", "alice"]
    assert found(api, search=directory.grouped(fingerprint)[:9].upper()) == ["bob"]
    assert found(api, search="%") == []


def test_keys_are_found_by_what_operators_decided(api: Client, alice: PublicKey) -> None:
    directory.store("bob", "bob's key")
    REVOKE.decide(alice, "olga", "stolen")
    FREEZE.decide(PublicKey.objects.get(client_id="bob"), "olga", "famous")
    assert (found(api, revoked="true"), found(api, revoked="false")) == (["alice"], ["bob"])
    assert (found(api, frozen="true"), found(api, frozen="false")) == (["bob"], ["alice"])
    assert found(api, revoked="true", frozen="true") == []


def test_keys_are_found_by_their_last_change(api: Client, alice: PublicKey) -> None:
    PublicKey.objects.update(last_change=timezone.now() - timedelta(days=2))
    directory.store("bob", "bob's key")
    alice.refresh_from_db()
    assert found(api, changedSince=utc(alice.last_change)) == ["alice", "bob"]
    assert found(api, changedSince=utc(timezone.now() - timedelta(days=1))) == ["bob"]
    assert found(api, changedSince=utc(timezone.now() + timedelta(days=1))) == []


def test_next_page_keeps_the_filters(api: Client) -> None:
    for number in range(3):
        directory.store(f"bob-{number}", "key")
    page = api.get(KEYS, {"search": "bob", "limit": "2"}).json()
    rest = api.get(page["next"]).json()
    assert [key["clientId"] for key in page["results"] + rest["results"]] == ["bob-0", "bob-1", "bob-2"]
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("query", "about"),
    [
        (f"limit={10**30}", "limit"),
        (f"offset={10**30}", "offset"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=1_0", "limit"),
        ("limit=%D9%A3", "limit"),
        ("limit=%00", "limit"),
        ("limit=", "limit"),
        ("offset=x", "offset"),
        ("limit=1&limit=2", "limit"),
        ("revoked=maybe", "revoked"),
        ("revoked=1", "revoked"),
        ("frozen=", "frozen"),
        ("changedSince=yesterday", "changedSince"),
        ("changedSince=%00", "changedSince"),
        ("search=", "search"),
        ("search=a%00b", "search"),
        ("search=%ED%A0%80%00", "search"),
        (f"search={'x' * 129}", "search"),
    ],
)
def test_wrong_parameter_is_named(api: Client, query: str, about: str) -> None:
    response = api.get(f"{KEYS}?{query}")
    assert response.status_code == 400
    assert response.json()["detail"].startswith(f"{about}: ")


def test_unknown_parameter_is_not_ignored(api: Client) -> None:
    # Ignored, a filter that is misspelt would find everything.
    response = api.get(f"{KEYS}?revokd=true")
    assert response.status_code == 400
    assert response.json()["detail"].endswith("limit, offset, search, revoked, frozen, owned, changedSince.")
    assert "revokd" not in response.json()["detail"]


@pytest.mark.parametrize("term", ["🔑", "\ud7ff\uffff", "' OR 1=1 --", "%", "_", "\\", " ", "\x7f", "ﬁ", "İ"])
def test_odd_text_finds_nothing_and_breaks_nothing(api: Client, term: str) -> None:
    response = api.get(f"{KEYS}?search={quote(term)}")
    assert response.status_code == 200
    assert response.json()["count"] == (1 if term == " " else 0)


# --- History ----------------------------------------------------------------------------------------


def test_history_is_given_in_pages_newest_first(api: Client) -> None:
    for number in range(3):
        directory.store("alice", f"another key {number}")
    first = api.get(f"{HISTORY}?limit=3").json()
    second = api.get(first["next"]).json()
    assert (first["count"], [len(page["results"]) for page in (first, second)]) == (4, [3, 1])
    assert [change["kind"] for change in first["results"] + second["results"]] == ["changed"] * 3 + ["published"]
    assert first["results"][0]["newFingerprint"] == directory.fingerprint("another key 2")


def test_history_of_nobody_is_not_found(api: Client) -> None:
    assert api.get("/api/keys/nobody/history/").status_code == 404


@pytest.mark.parametrize("query", ["limit=x", "offset=-1", "search=a"])
def test_history_refuses_wrong_parameters(api: Client, query: str) -> None:
    assert api.get(f"{HISTORY}?{query}").status_code == 400


def test_reserved_client_id_has_no_key(api: Client) -> None:
    decisions.reserve("carol", "olga", "famous")
    key = api.get("/api/keys/carol/").json()
    assert (key["publicKey"], key["fingerprint"], key["frozen"]) == (None, None, True)


# --- Owners -----------------------------------------------------------------------------------------


@pytest.fixture
def owner(alice: PublicKey) -> Identity:
    """Alice's ID as her key's own."""
    text = first(Key("alice 1"), Recovery("paper").public)
    since = timezone.now()
    row = Identity.objects.create(
        key=alice, identity=text.identity, seq=0, last_kind=1, owned_since=since, changed_at=since
    )
    row.statements.create(seq=0, kind=1, text=text.text, by_identity="signature")
    return row


def test_key_says_to_whom_it_belongs(api: Client, owner: Identity) -> None:
    expected = {"status": "signed", "ownedSince": utc(owner.owned_since), "recoveryCode": True, "statements": 1}
    assert api.get("/api/keys/alice/").json().items() >= expected.items()
    assert api.get(KEYS).json()["results"][0].items() >= expected.items()
    owner.erased_at = timezone.now()
    owner.save()
    expected = {"status": "erased", "ownedSince": None, "recoveryCode": None, "statements": 0}
    assert api.get("/api/keys/alice/").json().items() >= expected.items()


def test_keys_are_found_by_whether_they_belong_to_somebody(api: Client, owner: Identity) -> None:
    directory.store("bob", "key")
    assert (found(api, owned="true"), found(api, owned="false")) == (["alice"], ["bob"])
    owner.erased_at = timezone.now()
    owner.save()
    assert (found(api, owned="true"), found(api, owned="false")) == ([], ["alice", "bob"])


def test_list_of_owners_takes_as_many_queries_as_one(
    api: Client, owner: Identity, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    assert owner.seq == 0
    for number in range(3):
        directory.store(f"client-{number}", "key")
    with CaptureQueriesContext(connection) as one:
        api.get(f"{KEYS}?limit=1")
    with django_assert_num_queries(len(one)):
        api.get(KEYS)
