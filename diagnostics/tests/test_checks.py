import logging
import os
import subprocess
import sys
from dataclasses import replace
from ipaddress import ip_network

import pytest
from django.core.checks import run_checks
from django.core.checks.registry import registry
from django.utils import timezone
from pytest_django import Settings

from diagnostics import checks
from diagnostics.doctor import database
from diagnostics.outcome import Outcome
from diagnostics.schema import other_directory
from pkd.models import Identity, PublicKey, Statement

# A public key of P-256, as the page of test vectors has it.
IDENTITY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"
    "XzgdN1AGk9nVVmvIhTsYfZbziBGkIidlyjVsgBQYgJ-hdJaL54XRaZ7vwpvLW_tYxldfnQ-2go_uFKGmCKLghQ"
)

DEPLOY = {
    "SECRET_KEY": "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "DATABASE_URL": "postgres://user:password@postgres.example.com:5432/railway",
    "REDIS_URL": "redis://default:password@redis.example.com:6379",
    "TURN_SECRET": "shared-with-the-relay",
    "RAILWAY_PUBLIC_DOMAIN": "securecall.example.com",
}


@pytest.fixture(autouse=True)
def _deploy_settings(settings: Settings) -> None:
    settings.DEBUG = False
    settings.REPLICAS = 1
    settings.REDIS_URL = DEPLOY["REDIS_URL"]
    settings.DATABASE_URL = DEPLOY["DATABASE_URL"]
    settings.TURN = replace(settings.TURN, secrets=("shared-with-the-relay",))
    settings.ON_RAILWAY = True
    settings.RAILWAY_DRAIN_SECONDS = 15
    settings.ALLOWED_HOSTS = ["app.example.com", "127.0.0.1"]
    settings.ALLOWED_ORIGINS = ["https://app.example.com"]


def found() -> dict[str, str]:
    """Our messages' hints by their ID."""
    messages = run_checks(include_deployment_checks=True)
    return {
        message.id: message.hint or "" for message in messages if message.id and message.id.startswith("securecall.")
    }


def test_checks_find_nothing_in_a_complete_deploy() -> None:
    assert found() == {}


def test_checks_want_redis_for_several_replicas(settings: Settings) -> None:
    settings.REPLICAS = 2
    settings.REDIS_URL = ""

    assert "REDIS_URL" in found()["securecall.E001"]


@pytest.mark.parametrize("networks", [["10.0.0.0/8"], ["100.64.0.0/10", "::1/128"], ["100.0.0.0/8"]])
def test_checks_want_the_header_that_proxies_set(settings: Settings, networks: list[str]) -> None:
    settings.TRUSTED_PROXIES = [ip_network(network) for network in networks]
    assert "Set CLIENT_ADDRESS_HEADER to x-forwarded-for" in found()["securecall.E004"]
    settings.CLIENT_ADDRESS_HEADER = "x-forwarded-for"
    assert found() == {}


def test_checks_want_postgres_for_several_replicas(settings: Settings) -> None:
    settings.REPLICAS = 2
    settings.ON_RAILWAY = False
    settings.DATABASE_URL = "sqlite:////data/db.sqlite3"

    assert "DATABASE_URL" in found()["securecall.E002"]


def test_checks_accept_one_replica_alone(settings: Settings) -> None:
    settings.REDIS_URL = ""
    settings.ON_RAILWAY = False
    settings.DATABASE_URL = "sqlite:////data/db.sqlite3"

    assert found() == {}


def test_checks_want_a_turn_secret(settings: Settings) -> None:
    settings.TURN = replace(settings.TURN, secrets=())

    assert "TURN_SECRET" in found()["securecall.W001"]


def test_checks_want_postgres_on_railway(settings: Settings) -> None:
    settings.DATABASE_URL = "sqlite:////data/db.sqlite3"

    assert "DATABASE_URL" in found()["securecall.W002"]


def test_checks_want_debug_off_on_railway(settings: Settings) -> None:
    settings.DEBUG = True

    assert "SECRET_KEY" in found()["securecall.W003"]


def test_checks_want_time_to_drain_on_railway(settings: Settings) -> None:
    settings.RAILWAY_DRAIN_SECONDS = 0

    assert "RAILWAY_DEPLOYMENT_DRAINING_SECONDS" in found()["securecall.W004"]


@pytest.mark.parametrize(("origins", "message_id"), [([], "securecall.W005"), (["*"], "securecall.W006")])
def test_checks_want_named_origins(settings: Settings, origins: list[str], message_id: str) -> None:
    settings.ALLOWED_ORIGINS = origins

    assert "ALLOWED_ORIGINS" in found()[message_id]


@pytest.mark.parametrize(
    "origins", [[], ["https://other.example.com"], ["http://app.example.com"], ["null", "file://"]]
)
def test_checks_want_an_origin_of_each_host(settings: Settings, origins: list[str]) -> None:
    settings.ALLOWED_ORIGINS = origins

    assert "Add https://app.example.com to ALLOWED_ORIGINS" in found()["securecall.W008"]


def test_checks_take_plain_http_for_an_origin_while_developing(settings: Settings) -> None:
    settings.DEBUG = True
    settings.ON_RAILWAY = False
    settings.ALLOWED_ORIGINS = ["http://app.example.com:8000"]

    assert found() == {}


@pytest.mark.django_db
def test_report_logs_a_warning_and_goes_on(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.TURN = replace(settings.TURN, secrets=())

    checks.report()

    [record] = [record for record in caplog.records if "securecall.W001" in record.getMessage()]
    assert record.levelno == logging.WARNING
    assert "Set TURN_SECRET" in record.getMessage()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgres://nobody@127.0.0.1:1/nowhere", "Connection refused"),
        ("postgres://nobody@127.0.0.1:1/nowhere?sslmode=requir", 'invalid sslmode value: "requir"'),
    ],
)
def test_report_says_why_the_database_cannot_be_reached(settings: Settings, url: str, reason: str) -> None:
    report = "import django; django.setup(); from diagnostics import checks; checks.report()"
    environment = {
        **os.environ,
        "DEBUG": "1",
        "DJANGO_SETTINGS_MODULE": "securecall_site.settings",
        "DATABASE_URL": url,
    }
    command = [sys.executable, "-c", report]
    ran = subprocess.run(command, env=environment, cwd=settings.BASE_DIR, capture_output=True, check=True, text=True)
    [line] = [line for line in ran.stderr.splitlines() if "securecall.W007" in line]
    assert reason in line


@pytest.mark.django_db
def test_report_stops_the_start_on_an_error(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.REPLICAS = 2
    settings.REDIS_URL = ""

    with pytest.raises(SystemExit, match="SecureCall cannot start"):
        checks.report()
    assert "securecall.E001" in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["", "other.example.org"])
def test_report_stops_the_start_without_the_name_of_the_directory(
    settings: Settings, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    now = timezone.now()
    key = PublicKey.objects.create(client_id="alice", first_seen=now, last_change=now)
    identity = Identity.objects.create(key=key, identity=IDENTITY, seq=0, last_kind=1, owned_since=now, changed_at=now)
    lines = ("directory calls.example.org", "id alice", "seq 0", "previous -", f"identity {IDENTITY}", "recovery -")
    text = "\n".join(("securecall-statement-v2", *lines, "key -", ""))
    Statement.objects.create(identity=identity, seq=0, kind=1, text=text, by_identity="signature")
    settings.DIRECTORY_NAME = "calls.example.org"
    assert other_directory() == ""
    settings.DIRECTORY_NAME = name

    [finding] = [one for one in database.examine([]) if "directory" in one.sentence]
    assert (finding.outcome, "calls.example.org" in finding.sentence) == (Outcome.FAILED, True)
    with pytest.raises(SystemExit, match="SecureCall cannot start"):
        checks.report()
    assert "Set DIRECTORY_NAME to calls.example.org, which it keeps for ever. (securecall.E005)" in caplog.text


def test_check_deploy_is_clean_with_the_deploy_settings(settings: Settings) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DEBUG"} | DEPLOY
    environment["ALLOWED_ORIGINS"] = "capacitor://localhost,file://,chrome-extension://abcdefghijklmnop,null"
    result = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "DEBUG"],
        check=False,
        capture_output=True,
        text=True,
        cwd=settings.BASE_DIR,
        env=environment,
    )

    assert result.stderr == ""
    assert result.stdout == "System check identified no issues (0 silenced).\n"
    assert result.returncode == 0


def test_every_check_of_ours_runs_at_the_start() -> None:
    apps = ("diagnostics.", "operators.", "pkd.", "securecall_site.", "signaling.", "turn.")
    ours = [check for check in registry.get_checks(include_deployment_checks=True) if check.__module__.startswith(apps)]

    assert ours
    assert [check for check in ours if "settings" not in check.tags] == []
