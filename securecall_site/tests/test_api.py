import base64
import hmac
import json
from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings
from rest_framework.authtoken.models import Token

from pkd import directory
from pkd.decisions import REVOKE
from pkd.models import PublicKey
from turn.credentials import TurnSettings

pytestmark = pytest.mark.django_db

GETS = ["/api/keys/", "/api/keys/alice/", "/api/status/"]
TURN = "/api/turn-credentials/"


@pytest.fixture(autouse=True)
def alice() -> PublicKey:
    directory.store("alice", "alice's key")
    return PublicKey.objects.get()


@pytest.fixture
def operator() -> User:
    return User.objects.create_user("olga", is_staff=True)


@pytest.fixture
def api(operator: User) -> Client:
    """An operator's script: it sends a token."""
    return Client(headers={"Authorization": f"Token {Token.objects.create(user=operator).key}"})


@pytest.fixture
def turn_server(settings: Settings) -> None:
    settings.TURN = TurnSettings(("current", "older"), ("turn:one", "turns:two"), ("stun:three",), 600)


def mint(client: Client, body: Any = None) -> Any:
    return client.post(TURN, {"clientId": "alice"} if body is None else body, content_type="application/json")


def utc(moment: datetime | None) -> str:
    assert moment is not None
    return moment.isoformat().replace("+00:00", "Z")


def test_anonymous_request_is_refused(client: Client) -> None:
    assert {client.get(url).status_code for url in GETS} == {401}
    assert mint(client).status_code == 401
    assert client.options("/api/keys/").status_code == 401


def test_wrong_token_is_refused(client: Client) -> None:
    assert client.get("/api/keys/", headers={"Authorization": "Token wrong"}).status_code == 401


def test_user_who_is_no_operator_is_refused(client: Client) -> None:
    mallory = User.objects.create_user("mallory")
    token = {"Authorization": f"Token {Token.objects.create(user=mallory).key}"}
    assert {client.get(url, headers=token).status_code for url in GETS} == {403}
    client.force_login(mallory)
    assert {client.get(url).status_code for url in GETS} == {403}
    assert mint(client).status_code == 403


def test_operator_who_left_is_refused(api: Client, operator: User) -> None:
    operator.is_active = False
    operator.save()
    assert api.get("/api/keys/").status_code == 401


def test_operator_is_let_in_by_session_and_by_token(client: Client, api: Client, operator: User) -> None:
    client.force_login(operator)
    for let_in in (client, api):
        assert {let_in.get(url).status_code for url in GETS} == {200}


@pytest.mark.usefixtures("turn_server")
def test_posting_by_session_needs_the_csrf_token(operator: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(operator)
    assert mint(browser).status_code == 403
    browser.get("/admin/")
    token = browser.get("/admin/password_change/").cookies["csrftoken"].value
    sent = browser.post(TURN, {"clientId": "alice"}, content_type="application/json", headers={"X-CSRFToken": token})
    assert sent.status_code == 200


@pytest.mark.usefixtures("turn_server")
def test_posting_by_token_needs_no_csrf_token(operator: User) -> None:
    script = Client(enforce_csrf_checks=True)
    token = {"Authorization": f"Token {Token.objects.create(user=operator).key}"}
    sent = script.post(TURN, {"clientId": "alice"}, content_type="application/json", headers=token)
    assert sent.status_code == 200


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
    }


def test_keys_are_given_in_pages(api: Client) -> None:
    for number in range(5):
        directory.store(f"client-{number}", "key")
    page = api.get("/api/keys/?limit=4&offset=4").json()
    assert (page["count"], len(page["results"]), page["next"]) == (6, 2, None)
    assert "limit=4" in page["previous"]


@pytest.mark.parametrize("query", [f"limit={10**30}", f"offset={10**30}", "limit=-1", "offset=x", "limit=%00"])
def test_odd_pages_are_no_error(api: Client, query: str) -> None:
    assert api.get(f"/api/keys/?{query}").status_code == 200


def test_one_key_comes_with_its_text_and_history(api: Client, alice: PublicKey) -> None:
    REVOKE.take(alice, "olga", "stolen")
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


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_keys_can_only_be_read(api: Client, method: str) -> None:
    for url in GETS:
        assert getattr(api, method)(url, content_type="application/json").status_code == 405


def test_status_counts_and_names_the_version(api: Client, settings: Settings) -> None:
    assert api.get("/api/status/").json() == {
        "connections": 0,
        "registeredClients": 0,
        "openCalls": {"ringing": 0, "active": 0},
        "version": settings.VERSION,
    }


@pytest.mark.usefixtures("turn_server")
def test_minted_credential_is_the_clients_own(api: Client) -> None:
    response = mint(api)
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    body = response.json()
    username = f"{body['expiresAt']}:alice"
    password = base64.b64encode(hmac.digest(b"current", username.encode(), "sha1")).decode()
    assert body["iceServers"] == [
        {"urls": "stun:three"},
        {"urls": "turn:one", "username": username, "credential": password},
        {"urls": "turns:two", "username": username, "credential": password},
    ]


@pytest.mark.usefixtures("turn_server")
@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "alice",
        7,
        {"clientId": None},
        {"clientId": 7},
        {"clientId": ""},
        {"clientId": "bob\n"},
        {"clientId": "a" * 65},
        {"clientId": ["alice"]},
        {"client_id": "alice"},
    ],
)
def test_bad_client_id_is_explained(api: Client, body: object) -> None:
    response = mint(api, json.dumps(body))
    assert response.status_code == 400
    assert "1 to 64 letters" in response.json()["detail"]


@pytest.mark.usefixtures("turn_server")
@pytest.mark.parametrize("body", ["{", "NaN", "\xff"])
def test_body_that_is_no_json_is_refused(api: Client, body: str) -> None:
    assert mint(api, body).status_code == 400


def test_without_a_turn_secret_nothing_is_minted(api: Client, settings: Settings) -> None:
    settings.TURN = TurnSettings(urls=("turn:one",), stun_urls=("stun:three",))
    response = mint(api)
    assert response.status_code == 503
    assert "TURN_SECRET" in response.json()["detail"]
