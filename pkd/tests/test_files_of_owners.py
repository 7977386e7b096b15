"""What the directory as a file says of owners, and that no file makes or changes one."""

import io
import json
from collections.abc import Iterator

import pytest
from django.test import Client
from pytest_django import Settings

from pkd import directory, release
from pkd.acceptance import Offered, accept
from pkd.admin.files import MOST_NAMED
from pkd.files.import_keys import Import, Imported
from pkd.models import Identity as Row
from pkd.models import PublicKey
from pkd.tests.files import exported, lines_of
from pkd.tests.owners import DIRECTORY, Identity, Recovery, first, following, signed
from pkd.tests.test_admin_files import post
from pkd.tests.test_append_only_statements import erase_all

pytestmark = pytest.mark.django_db(transaction=True)

ALICE, PAPER = Identity("alice 1"), Recovery("paper")
NOBODYS = {"status": "unsigned", "ownedSince": None, "recoveryCode": None, "statements": 0}


@pytest.fixture(autouse=True)
def directory_with_owners(transactional_db: None, settings: Settings) -> Iterator[None]:  # noqa: ARG001
    settings.DIRECTORY_NAME = DIRECTORY
    for client_id in ("alice", "carol"):
        statement = first(ALICE, client_id=client_id)
        accept(Offered(ALICE.public, statement, signed(statement, ALICE), is_registered=True), lambda: 0)
    coded = following(first(ALICE), recovery=PAPER.public)
    accept(Offered(ALICE.public, coded, signed(coded, ALICE), is_registered=False), lambda: 0)
    directory.store("bob", "bob's key")
    yield
    erase_all()


def described() -> dict[str, dict[str, object]]:
    return {line["clientId"]: {name: line[name] for name in NOBODYS} for line in lines_of(exported())}


def imported(*lines: dict[str, object], may_replace: bool = False) -> Imported:
    file = "".join(f"{json.dumps(line)}\n" for line in lines)
    return Import("iris", "moved here", may_replace).run(io.BytesIO(file.encode()))


def test_export_says_to_whom_client_ids_belong() -> None:
    since = Row.objects.get(key__client_id="alice").owned_since.isoformat().replace("+00:00", "Z")
    release.erase(PublicKey.objects.get(client_id="carol"), "olga", "asked for")
    assert described() == {
        "alice": {"status": "signed", "ownedSince": since, "recoveryCode": True, "statements": 2},
        "bob": NOBODYS,
        "carol": NOBODYS | {"status": "erased"},
    }
    assert exported("csv").splitlines()[1].split(",")[8:12] == ["signed", since, "True", "2"]


@pytest.mark.parametrize("may_replace", [False, True])
def test_import_leaves_client_ids_that_belong_to_a_key_alone_and_names_them(*, may_replace: bool) -> None:
    release.erase(PublicKey.objects.get(client_id="carol"), "olga", "asked for")
    before = described()
    keys = list(PublicKey.objects.order_by("client_id").values())
    done = imported(
        {"clientId": "alice", "publicKey": "another", "revokedAt": "2026-01-31T15:04:05Z"},
        {"clientId": "bob", "publicKey": "bob's key"},
        {"clientId": "carol", "publicKey": "another"},
        may_replace=may_replace,
    )
    assert done == Imported(unchanged=1, owned=["alice", "carol"])
    assert (described(), list(PublicKey.objects.order_by("client_id").values())) == (before, keys)


def test_import_of_an_export_makes_no_owner() -> None:
    file = exported().replace('"alice"', '"dora"')
    Import("iris", "moved here").run(io.BytesIO(file.encode()))
    assert not Row.objects.filter(key__client_id="dora").exists()
    assert described()["dora"] == NOBODYS
    assert directory.current_key("dora") == ALICE.public


def test_report_names_each_client_id_that_was_left_alone(admin_pages: Client) -> None:
    said = post(admin_pages, '{"clientId":"alice","publicKey":"a"}\n{"clientId":"eve","publicKey":"e"}\n')
    assert "Imported 1 new and 0 changed keys" in said
    assert said.endswith("Left alone, because they belong to a key, and only their owners change them: alice.")


def test_report_of_many_says_how_many_more(admin_pages: Client, settings: Settings) -> None:
    settings.LIMIT_NEW_IDENTITIES_PER_HOUR = 0
    names = [f"client-{number:03}" for number in range(MOST_NAMED + 2)]
    for name in names:
        statement = first(ALICE, client_id=name)
        accept(Offered(ALICE.public, statement, signed(statement, ALICE), is_registered=True), lambda: 0)
    said = post(admin_pages, "".join(f'{{"clientId":"{name}","publicKey":"a"}}\n' for name in names))
    assert said.endswith(f"{names[MOST_NAMED - 1]} and 2 more.")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"status": "owned"}, "status must be signed, unsigned, revoked, released or erased."),
        ({"recoveryCode": "yes"}, "recoveryCode must be true or false."),
        ({"statements": -1}, "statements must be a whole number from 0."),
        ({"ownedSince": "yesterday"}, "ownedSince must be a time with its zone, such as 2026-01-31T15:04:05Z."),
    ],
)
def test_bad_field_about_an_owner_is_named(admin_pages: Client, fields: dict[str, object], sentence: str) -> None:
    assert sentence in post(admin_pages, json.dumps({"clientId": "eve", "publicKey": "e"} | fields))
