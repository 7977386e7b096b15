import base64
import hmac
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_totp.models import TOTPDevice
from pytest_django import Settings
from rest_framework.authtoken.models import Token

from operators.accounts import second_factor
from pkd import directory
from pkd.models import PublicKey
from turn.credentials import TurnSettings

pytestmark = pytest.mark.django_db

GETS = ["/api/keys/", "/api/keys/alice/", "/api/keys/alice/history/", "/api/status/", "/api/schema/"]
TURN = "/api/turn-credentials/"


@pytest.fixture(autouse=True)
def alice() -> PublicKey:
    directory.store("alice", "alice's key")
    return PublicKey.objects.get()


@pytest.fixture
def turn_server(settings: Settings) -> None:
    settings.TURN = TurnSettings(("current", "older"), ("turn:one", "turns:two"), ("stun:three",), 600)


def mint(client: Client, body: Any = None) -> Any:
    return client.post(TURN, {"clientId": "alice"} if body is None else body, content_type="application/json")


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
def test_posting_by_token_needs_no_csrf_token(authorization: dict[str, str]) -> None:
    script = Client(enforce_csrf_checks=True)
    sent = script.post(TURN, {"clientId": "alice"}, content_type="application/json", headers=authorization)
    assert sent.status_code == 200


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
@pytest.mark.parametrize("body", ["{", "NaN", "\xff", '{"clientId": "\\ud800"}', "[" * 60_000])
def test_body_that_is_no_json_is_refused(api: Client, body: str) -> None:
    response = mint(api, body)
    assert response.status_code == 400
    assert list(response.json()) == ["detail"]


@pytest.mark.usefixtures("turn_server")
def test_body_that_is_too_large_is_refused(api: Client) -> None:
    response = mint(api, json.dumps({"clientId": "alice", "more": "x" * 65_536}))
    assert (response.status_code, response.json()["detail"]) == (413, "Send a body of up to 65,536 bytes.")


@pytest.mark.usefixtures("turn_server")
def test_body_of_another_kind_is_refused(api: Client) -> None:
    assert api.post(TURN, {"clientId": "alice"}).status_code == 415


def test_without_a_turn_secret_nothing_is_minted(api: Client, settings: Settings) -> None:
    settings.TURN = TurnSettings(urls=("turn:one",), stun_urls=("stun:three",))
    response = mint(api)
    assert response.status_code == 503
    assert "TURN_SECRET" in response.json()["detail"]


# --- Who may do it, and how often -------------------------------------------------------------------


def test_staff_who_may_not_view_keys_see_none(client: Client) -> None:
    client.force_login(User.objects.create_user("vera", is_staff=True))
    assert client.get("/api/status/").status_code == 200
    for url in ("/api/keys/", "/api/keys/alice/", "/api/keys/alice/history/"):
        response = client.get(url)
        assert response.status_code == 403
        assert "viewer or operator" in response.json()["detail"]


def test_session_without_a_second_factor_is_refused_where_one_is_asked_for(
    client: Client, api: Client, operator: User, settings: Settings
) -> None:
    settings.ADMIN_REQUIRE_2FA = True
    client.force_login(operator)
    assert {client.get(url).status_code for url in GETS} == {403}
    assert {api.get(url).status_code for url in GETS} == {200}


def test_session_with_a_second_factor_is_let_in(client: Client, operator: User, settings: Settings) -> None:
    settings.ADMIN_REQUIRE_2FA = True
    second_factor.enrol(operator)
    client.force_login(operator)
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = TOTPDevice.objects.get().persistent_id
    session.save()
    assert {client.get(url).status_code for url in GETS} == {200}


def test_operator_who_asks_too_often_is_told_when_to_ask_again(api: Client, settings: Settings) -> None:
    settings.LIMIT_API_REQUESTS_PER_MINUTE = 2
    assert [api.get("/api/status/").status_code for _ in range(3)] == [200, 200, 429]
    refusal = api.get("/api/keys/")
    assert 0 < int(refusal["Retry-After"]) <= 60
    assert "throttled" in refusal.json()["detail"]


def test_one_operators_haste_is_not_anothers(api: Client, client: Client, settings: Settings) -> None:
    settings.LIMIT_API_REQUESTS_PER_MINUTE = 1
    client.force_login(User.objects.create_user("vera", is_staff=True))
    assert [api.get("/api/status/").status_code for _ in range(2)] == [200, 429]
    assert client.get("/api/status/").status_code == 200


def test_limit_of_0_is_none(api: Client, settings: Settings) -> None:
    settings.LIMIT_API_REQUESTS_PER_MINUTE = 0
    assert {api.get("/api/status/").status_code for _ in range(10)} == {200}


# --- Where there is no answer -----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/", "/api/nothing/", "/api/keys/no such/", "/api/keys/a%00b/", "/api/keys/a/b/"])
def test_unknown_path_is_answered_with_json(api: Client, path: str) -> None:
    response = api.get(path)
    assert (response.status_code, response["Content-Type"]) == (404, "application/json")
    assert response.json() == {"detail": "There is no such path."}


def test_unknown_path_elsewhere_is_answered_with_a_page(client: Client) -> None:
    response = client.get("/nothing/")
    assert (response.status_code, response["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_bug_is_answered_with_json(api: Client, settings: Settings) -> None:
    # A limit that is none breaks the throttle, as a bug would.
    settings.LIMIT_API_REQUESTS_PER_MINUTE = "many"
    api.raise_request_exception = False
    response = api.get("/api/status/")
    assert (response.status_code, list(response.json())) == (500, ["detail"])


def test_other_media_types_are_not_spoken(api: Client) -> None:
    response = api.get("/api/status/", headers={"Accept": "text/html"})
    assert (response.status_code, response["Content-Type"]) == (406, "application/json")


def test_wrong_method_says_which_are_right(api: Client) -> None:
    response = api.get(TURN)
    assert (response.status_code, response["Allow"]) == (405, "POST, OPTIONS")
