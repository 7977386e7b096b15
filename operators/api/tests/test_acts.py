"""Decisions about keys by script: the admin's permissions, reasons and log."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client

from pkd import directory
from pkd.admin.offers import OFFERS
from pkd.models import KeyChange, PublicKey, Release
from pkd.tests.owners import Identity

pytestmark = pytest.mark.django_db

REASON = "the phone was stolen"
PERMISSION = {"revoke": "revoke", "lift": "revoke", "freeze": "freeze", "unfreeze": "freeze"}


@pytest.fixture(autouse=True)
def alice() -> PublicKey:
    directory.store("alice", "alice's key")
    return PublicKey.objects.get()


@pytest.fixture
def acting(operator: User) -> None:
    """Allow the operator everything in the directory."""
    operator.user_permissions.set(Permission.objects.filter(content_type__app_label="pkd"))


def act(script: Client, name: str, client_id: str = "alice", **body: Any) -> Any:
    return script.post(f"/api/keys/{client_id}/{name}/", {"reason": REASON, **body}, content_type="application/json")


@pytest.mark.usefixtures("acting")
def test_key_is_decided_about_and_given_as_it_is_then(api: Client) -> None:
    fates = []
    for name in ("revoke", "freeze", "lift", "unfreeze"):
        key = act(api, name).json()
        fates.append((key["clientId"], key["revoked"], key["frozen"]))
    assert fates == [("alice", True, False), ("alice", True, True), ("alice", False, True), ("alice", False, False)]
    assert directory.current_key("alice") == "alice's key"


@pytest.mark.usefixtures("acting")
def test_decision_is_in_the_history_and_in_the_log_of_the_admin(api: Client, alice: PublicKey) -> None:
    act(api, "revoke", reason=f"  {REASON}\n")
    change = KeyChange.objects.first()
    assert change is not None
    assert (change.kind, change.who, change.reason) == ("revoked", "olga", REASON)
    entry = LogEntry.objects.get()
    assert (entry.user.username, entry.object_id) == ("olga", str(alice.pk))
    assert entry.change_message == f"Revoked the key {directory.grouped(alice.fingerprint)}: {REASON}"


@pytest.mark.usefixtures("acting")
def test_client_id_is_released(api: Client) -> None:
    assert act(api, "release").status_code == 200
    assert Release.objects.get().key.client_id == "alice"
    assert Release.objects.get().to == ""


@pytest.mark.usefixtures("acting")
def test_client_id_is_released_to_the_identity_that_is_named(api: Client) -> None:
    identity = Identity("the new owner").public
    for other in ("", f"{identity} ", 7, None, "key"):
        response = act(api, "release", newOwner=other)
        assert (response.status_code, response.json()["detail"][:27]) == (400, "newOwner: Give an identity:")
    assert not Release.objects.exists()
    assert act(api, "release", newOwner=identity).status_code == 200
    assert Release.objects.get().to == identity


@pytest.mark.parametrize("name", [offer.name for offer in OFFERS])
def test_each_act_takes_its_own_permission_and_that_to_see_keys(api: Client, operator: User, name: str) -> None:
    permission = f"{PERMISSION.get(name, name)}_publickey"
    given = operator.user_permissions
    given.set(Permission.objects.filter(content_type__app_label="pkd").exclude(codename=permission))
    assert act(api, name).status_code == 403
    given.set(Permission.objects.filter(codename=permission))
    assert act(api, name).status_code == 403
    assert not LogEntry.objects.exists()
    given.set(Permission.objects.filter(codename__in=[permission, "view_publickey"]))
    # What there is to do differs; that it is allowed does not.
    assert act(api, name).status_code in {200, 409}


@pytest.mark.usefixtures("acting")
@pytest.mark.parametrize(
    "body",
    [{"reason": ""}, {"reason": " \n"}, {"reason": "x" * 501}, {"reason": "a\0b"}, {"reason": 7}, {"reason": None}],
)
def test_decision_takes_a_reason(api: Client, body: dict[str, Any]) -> None:
    response = act(api, "revoke", **body)
    assert (response.status_code, response.json()) == (400, {"detail": "reason: Give a reason of 1 to 500 characters."})
    assert not LogEntry.objects.exists()
    assert directory.current_key("alice") == "alice's key"


@pytest.mark.usefixtures("acting")
def test_body_that_is_none_is_explained(api: Client) -> None:
    response = api.post("/api/keys/alice/revoke/", "[]", content_type="application/json")
    assert (response.status_code, 'Send {"reason"' in response.json()["detail"]) == (400, True)


@pytest.mark.usefixtures("acting")
def test_key_that_was_replaced_since_it_was_looked_at_is_left(api: Client, alice: PublicKey) -> None:
    directory.store("alice", "another key")
    response = act(api, "revoke", fingerprint=alice.fingerprint)
    assert (response.status_code, "another key" in response.json()["detail"]) == (409, True)
    assert directory.current_key("alice") == "another key"
    assert act(api, "revoke", fingerprint=directory.fingerprint("another key")).status_code == 200
    assert act(api, "freeze", fingerprint="shorter").status_code == 400


@pytest.mark.usefixtures("acting")
def test_what_is_so_already_is_said_and_not_logged(api: Client) -> None:
    response = act(api, "lift")
    assert (response.status_code, response.json()) == (409, {"detail": "Nothing was done: not revoked."})
    assert act(api, "erase").json() == {"detail": "Nothing was done: belongs to no key."}
    assert act(api, "revoke", client_id="nobody").status_code == 404
    assert not LogEntry.objects.exists()


def test_acts_by_session_need_the_csrf_token(operator: User) -> None:
    operator.user_permissions.set(Permission.objects.filter(content_type__app_label="pkd"))
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(operator)
    assert act(browser, "revoke").status_code == 403
    assert directory.current_key("alice") == "alice's key"
