import re
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from pytest_django import Settings

pytestmark = pytest.mark.django_db


def createdevadmin() -> str:
    output = StringIO()
    call_command("createdevadmin", stdout=output)
    return output.getvalue()


@pytest.fixture(autouse=True)
def _debug(settings: Settings) -> None:
    # The test runner turns DEBUG off.
    settings.DEBUG = True


def test_first_run_prints_the_password_of_an_admin() -> None:
    found = re.search(r"account (\S+), password (\S+)", createdevadmin())

    assert found is not None
    user = User.objects.get(username=found[1])
    assert user.check_password(found[2])
    assert user.is_superuser


def test_first_run_enrols_the_admin_where_a_code_is_asked_for(settings: Settings) -> None:
    settings.ADMIN_REQUIRE_2FA = True

    assert "otpauth://totp/SecureCall%3Aadmin" in createdevadmin()


def test_second_run_changes_and_prints_nothing() -> None:
    createdevadmin()
    before = User.objects.get().password

    assert createdevadmin() == ""
    assert User.objects.get().password == before


def test_nothing_is_created_outside_debug(settings: Settings) -> None:
    settings.DEBUG = False

    assert createdevadmin() == ""
    assert not User.objects.exists()
