import logging
from datetime import timedelta
from io import StringIO

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.test import Client
from pytest_django import Settings

from operators.accounts.tests.conftest import ADDRESS, PASSWORD, SignIn

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("operator")]

PROXY = "100.64.0.7"


def fail(sign_in: SignIn, times: int = 5, **options: object) -> list[int]:
    return [sign_in(**{"password": "wrong", **options}).status_code for _ in range(times)]


def test_operator_signs_in(client: Client, sign_in: SignIn) -> None:
    assert sign_in(client).status_code == 302
    assert client.get("/admin/").status_code == 200


def test_fifth_failure_is_one_too_many(sign_in: SignIn) -> None:
    assert fail(sign_in) == [200, 200, 200, 200, 429]


def test_locked_out_address_is_refused_with_the_right_password_too(client: Client, sign_in: SignIn) -> None:
    fail(sign_in)
    assert sign_in(client).status_code == 429
    assert client.get("/admin/").status_code == 302


def test_lockout_says_how_long_to_wait(sign_in: SignIn) -> None:
    fail(sign_in)
    refusal = sign_in()
    assert refusal["Retry-After"] == "900"
    assert "Wait 15 minutes" in refusal.content.decode()
    assert "style=" not in refusal.content.decode()


def test_sign_in_page_itself_still_opens(client: Client, sign_in: SignIn) -> None:
    fail(sign_in)
    assert client.get("/admin/login/", REMOTE_ADDR=ADDRESS).status_code == 200


def test_session_that_is_open_goes_on(client: Client, sign_in: SignIn) -> None:
    sign_in(client)
    fail(sign_in)
    assert client.get("/admin/", REMOTE_ADDR=ADDRESS).status_code == 200


def test_other_address_is_let_in(sign_in: SignIn) -> None:
    fail(sign_in)
    assert sign_in(address="203.0.113.78").status_code == 302


def test_address_cannot_try_account_after_account(sign_in: SignIn) -> None:
    assert [sign_in(username=f"operator-{number}").status_code for number in range(5)] == [200, 200, 200, 200, 429]
    assert sign_in().status_code == 429


def test_success_does_not_clear_the_count(sign_in: SignIn) -> None:
    # Whoever has one account could otherwise guess another's password for ever.
    fail(sign_in, 4, username="oscar")
    assert sign_in().status_code == 302
    assert fail(sign_in, 1, username="oscar") == [429]


def test_ipv6_addresses_of_one_network_count_together(sign_in: SignIn) -> None:
    for number in range(5):
        sign_in(address=f"2001:db8:77::{number}", password="wrong")
    assert sign_in(address="2001:db8:77::ffff").status_code == 429
    assert sign_in(address="2001:db8:78::1").status_code == 302


def test_clients_of_a_trusted_proxy_count_apart(sign_in: SignIn) -> None:
    fail(sign_in, address=PROXY, headers={"X-Real-IP": "198.51.100.1"})
    assert sign_in(address=PROXY, headers={"X-Real-IP": "198.51.100.1"}).status_code == 429
    assert sign_in(address=PROXY, headers={"X-Real-IP": "198.51.100.2"}).status_code == 302


@pytest.mark.parametrize("header", ["X-Real-IP", "X-Forwarded-For", "Forwarded"])
def test_nobody_else_chooses_an_address(sign_in: SignIn, header: str) -> None:
    statuses = [fail(sign_in, 1, headers={header: f"198.51.100.{number}"}) for number in range(5)]
    assert statuses[-1] == [429]


def test_lockout_ends(sign_in: SignIn, settings: Settings) -> None:
    fail(sign_in)
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(seconds=settings.SIGN_IN_COOL_OFF_SECONDS))
    assert sign_in().status_code == 302
    assert not AccessAttempt.objects.exists()


def test_whoever_runs_the_server_ends_a_lockout(sign_in: SignIn) -> None:
    fail(sign_in)
    call_command("axes_reset", stdout=StringIO())
    assert sign_in().status_code == 302


def test_trying_while_locked_out_does_not_make_it_longer(sign_in: SignIn) -> None:
    fail(sign_in)
    before = AccessAttempt.objects.get().attempt_time
    fail(sign_in, 3)
    assert AccessAttempt.objects.get().attempt_time == before


@pytest.mark.parametrize("field", ["username", "password"])
def test_odd_text_is_a_failure_like_any_other(sign_in: SignIn, field: str) -> None:
    for text in ("ol\0ga", "🔑" * 50, "x" * 5000):
        assert sign_in(**{field: text}, address=f"203.0.113.{len(text) % 200}").status_code == 200


def test_nothing_is_kept_but_pseudonyms_and_a_count(sign_in: SignIn, caplog: pytest.LogCaptureFixture) -> None:
    said = {"username": "the-password-by-mistake", "password": "the-password", "next": "/admin/?q=some-client"}
    headers = {"User-Agent": "my-agent", "X-Real-IP": "198.51.100.9"}
    with caplog.at_level(logging.INFO):
        for number in range(6):
            sign_in(address=PROXY, headers=headers, **said)
            sign_in(Client(), address=f"2001:db8:99:{number}::1")
            sign_in(**said)
    kept = caplog.text + everything_in_tables("axes_accessattempt", "axes_accesslog", "axes_accessfailurelog")
    assert "Locking out" in caplog.text
    assert AccessAttempt.objects.count() == 2
    for secret in (*said.values(), *headers.values(), "some-client", ADDRESS, PROXY, "2001:db8", PASSWORD, "olga"):
        assert secret not in kept, secret


def test_account_without_staff_rights_is_refused(sign_in: SignIn) -> None:
    User.objects.update(is_staff=False)
    assert sign_in().status_code == 200


def everything_in_tables(*tables: str) -> str:
    rows: list[object] = []
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT * FROM {table}")  # noqa: S608
            rows += cursor.fetchall()
    return repr(rows)
