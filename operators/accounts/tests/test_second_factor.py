from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice
from pytest_django import Settings

from operators.accounts import second_factor
from operators.accounts.second_factor import Enrolment
from operators.accounts.tests.conftest import SignIn

pytestmark = pytest.mark.django_db

WRONG = "Username, password or code is wrong."


@pytest.fixture(autouse=True)
def _asked_for(settings: Settings) -> None:
    settings.ADMIN_REQUIRE_2FA = True


@pytest.fixture
def enrolment(operator: User) -> Enrolment:
    return second_factor.enrol(operator)


@pytest.fixture
def app(operator: User, enrolment: Enrolment) -> Callable[[], str]:
    """Olga's app: shows the code of this moment."""
    device = TOTPDevice.objects.get(user=operator)
    assert parse_qs(urlsplit(enrolment.uri).query)["issuer"] == ["SecureCall"]

    def code() -> str:
        return f"{TOTP(device.bin_key).token():06d}"

    return code


def wrong_code(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"


def test_code_of_the_app_opens_the_admin(client: Client, sign_in: SignIn, app: Callable[[], str]) -> None:
    assert sign_in(client, code=app()).status_code == 302
    assert client.get("/admin/").status_code == 200


def test_code_may_be_typed_as_it_is_shown(client: Client, sign_in: SignIn, app: Callable[[], str]) -> None:
    code = app()
    assert sign_in(client, code=f" {code[:3]} {code[3:]}").status_code == 302


def test_code_works_once(sign_in: SignIn, app: Callable[[], str]) -> None:
    code = app()
    assert sign_in(code=code).status_code == 302
    assert WRONG in sign_in(code=code).content.decode()


def test_each_backup_code_works_once(sign_in: SignIn, enrolment: Enrolment) -> None:
    for number, code in enumerate(enrolment.backup_codes):
        assert sign_in(code=code.upper(), address=f"203.0.113.{number}").status_code == 302
    assert WRONG in sign_in(code=enrolment.backup_codes[0]).content.decode()


def test_page_asks_for_the_code_and_needs_no_script(client: Client) -> None:
    page = client.get("/admin/login/").content.decode()
    assert 'name="code"' in page
    assert 'autocomplete="one-time-code"' in page
    # Whoever listens to the page jumps to its heading; Django's own has none.
    assert "<h1>Log in</h1>" in page
    assert "style=" not in page


def test_error_does_not_tell_which_part_was_wrong(sign_in: SignIn, app: Callable[[], str]) -> None:
    code = app()
    refusals = [
        sign_in(password="wrong", code=code),
        sign_in(username="nobody", code=code),
        sign_in(code=wrong_code(code)),
    ]
    assert [refusal.status_code for refusal in refusals] == [200, 200, 200]
    assert all(WRONG in refusal.content.decode() for refusal in refusals)


@pytest.mark.usefixtures("enrolment")
def test_password_is_not_judged_without_a_code(sign_in: SignIn) -> None:
    right, wrong = (
        sign_in(password=password).content.decode() for password in ("wrong", "correct horse battery staple")
    )
    assert "This field is required" in right
    assert "This field is required" in wrong
    assert WRONG not in right + wrong


def test_wrong_codes_lock_out_like_wrong_passwords(sign_in: SignIn, app: Callable[[], str]) -> None:
    wrong = wrong_code(app())
    assert [sign_in(code=wrong).status_code for _ in range(5)] == [200, 200, 200, 200, 429]


def test_wrong_codes_slow_the_app_down_and_leave_backup_codes(
    sign_in: SignIn, app: Callable[[], str], enrolment: Enrolment, settings: Settings
) -> None:
    # Minutes in place of seconds, in which a busy machine does all of this.
    settings.OTP_TOTP_THROTTLE_FACTOR = 60
    for number in range(4):
        sign_in(code=wrong_code(app()), address=f"203.0.113.{number}")
    assert WRONG in sign_in(code=app()).content.decode()
    assert sign_in(code=enrolment.backup_codes[0]).status_code == 302


def test_code_of_somebody_else_is_refused(sign_in: SignIn, app: Callable[[], str]) -> None:
    mallory = User.objects.create_user("mallory", password="another long password", is_staff=True)
    theirs = second_factor.enrol(mallory)
    assert WRONG in sign_in(code=theirs.backup_codes[0]).content.decode()
    assert sign_in(code=app()).status_code == 302


@pytest.mark.usefixtures("operator")
def test_account_without_second_factor_is_told_what_to_do(client: Client, sign_in: SignIn) -> None:
    refusal = sign_in(client, code="123456").content.decode()
    assert "manage.py enroltotp olga" in refusal
    assert client.get("/admin/").status_code == 302


def test_session_from_before_is_turned_away(
    client: Client, sign_in: SignIn, settings: Settings, app: Callable[[], str]
) -> None:
    settings.ADMIN_REQUIRE_2FA = False
    assert sign_in(client).status_code == 302
    settings.ADMIN_REQUIRE_2FA = True
    assert client.get("/admin/").status_code == 302
    assert "without a second factor" in client.get("/admin/login/").content.decode()
    assert sign_in(client, code=app()).status_code == 302
    assert client.get("/admin/").status_code == 200


def test_lost_device_ends_the_session_that_it_opened(
    client: Client, sign_in: SignIn, operator: User, app: Callable[[], str]
) -> None:
    sign_in(client, code=app())
    second_factor.enrol(operator)
    assert client.get("/admin/").status_code == 302


def test_new_enrolment_replaces_the_one_before(operator: User, sign_in: SignIn, enrolment: Enrolment) -> None:
    newer = second_factor.enrol(operator)
    assert sign_in(code=newer.backup_codes[0]).status_code == 302
    assert WRONG in sign_in(code=enrolment.backup_codes[0]).content.decode()


@pytest.mark.parametrize("code", ["", "0", "12345", "1234567", "½½½½½½", "١٢٣٤٥٦", "--- ---", "x" * 33, "a\0b", "🔑"])
def test_odd_code_is_refused(sign_in: SignIn, enrolment: Enrolment, code: str) -> None:
    assert enrolment.backup_codes
    assert sign_in(code=code).status_code == 200


def test_nobody_is_asked_for_a_code_where_none_is_required(
    client: Client, sign_in: SignIn, settings: Settings, enrolment: Enrolment
) -> None:
    assert enrolment.uri.startswith("otpauth://totp/")
    settings.ADMIN_REQUIRE_2FA = False
    assert 'name="code"' not in client.get("/admin/login/").content.decode()
    assert sign_in(client).status_code == 302


def test_admin_shows_nobodys_secret(client: Client, operator: User, enrolment: Enrolment, settings: Settings) -> None:
    settings.ADMIN_REQUIRE_2FA = False
    superuser = User.objects.create_superuser("root")
    client.force_login(superuser)
    device = TOTPDevice.objects.get(user=operator)
    for url in (f"otp_totp/totpdevice/{device.pk}/change/", "otp_totp/totpdevice/", "otp_static/staticdevice/"):
        page = client.get(f"/admin/{url}")
        assert page.status_code == 200
        assert device.key not in page.content.decode()
        assert not any(code in page.content.decode() for code in enrolment.backup_codes)
    assert client.get(f"/admin/otp_totp/totpdevice/{device.pk}/qrcode/").status_code == 403
