from dataclasses import replace

import pytest
from django.core.checks import WARNING, run_checks
from pytest_django import Settings

from signaling.protocol.limits import Limits, Timeouts


def found() -> list[str]:
    """What the checks of this app find, which are warnings."""
    messages = [one for one in run_checks() if one.id and one.id.startswith("signaling.")]
    assert all(one.level == WARNING and one.hint for one in messages)
    return [one.msg for one in messages]


@pytest.fixture(autouse=True)
def _default_settings(settings: Settings) -> None:
    settings.TIMEOUTS, settings.LIMITS, settings.DRAIN_SECONDS = Timeouts(), Limits(), 10


def test_checks_find_nothing_in_the_defaults() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("field", "variable"),
    [
        ("heartbeat_seconds", "HEARTBEAT_TIMEOUT_SECONDS"),
        ("registration_seconds", "REGISTRATION_TIMEOUT_SECONDS"),
        ("ring_seconds", "RING_TIMEOUT_SECONDS"),
        ("hold_seconds", "HOLD_SECONDS"),
        ("hold_going_away_seconds", "HOLD_GOING_AWAY_SECONDS"),
    ],
)
def test_checks_warn_of_a_timeout_that_clients_cannot_keep(settings: Settings, field: str, variable: str) -> None:
    settings.TIMEOUTS = replace(settings.TIMEOUTS, **{field: 1.5})

    [message] = found()

    assert message.startswith(f"{variable} is 1.5: ")


def test_checks_warn_of_a_heartbeat_timeout_of_the_clients_interval(settings: Settings) -> None:
    settings.TIMEOUTS = replace(settings.TIMEOUTS, heartbeat_seconds=30)
    assert "every 30 seconds" in found()[0]

    settings.TIMEOUTS = replace(settings.TIMEOUTS, heartbeat_seconds=45)
    assert found() == []


def test_checks_warn_of_a_stop_that_cuts_clients_off(settings: Settings) -> None:
    settings.DRAIN_SECONDS = 0.5

    assert "DRAIN_SECONDS is 0.5" in found()[0]


@pytest.mark.parametrize(("limit", "warns"), [(65_536, True), (1, True), (131_072, False), (0, False)])
def test_checks_warn_of_a_queue_shorter_than_a_message(settings: Settings, limit: int, warns: bool) -> None:  # noqa: FBT001 -- a parameter
    settings.LIMITS = replace(settings.LIMITS, outbound_queue_bytes=limit)

    assert any("LIMIT_OUTBOUND_QUEUE_BYTES" in message for message in found()) is warns


@pytest.mark.parametrize(
    ("field", "variable", "least"),
    [
        ("unproved_bytes", "LIMIT_UNPROVED_BYTES", 1_048_576),
        ("message_burst", "LIMIT_MESSAGE_BURST", 30),
        ("public_key_bytes", "LIMIT_PUBLIC_KEY_BYTES", 122),
    ],
)
def test_checks_warn_of_a_limit_that_refuses_what_clients_need(
    settings: Settings, field: str, variable: str, least: int
) -> None:
    settings.LIMITS = replace(settings.LIMITS, **{field: least - 1})
    [message] = found()
    assert message.startswith(f"{variable} is {least - 1}: ")
    for taken in (least, 0):
        settings.LIMITS = replace(settings.LIMITS, **{field: taken})
        assert found() == []


def test_checks_warn_of_bodies_shorter_than_the_forms_of_operators(settings: Settings) -> None:
    settings.LIMIT_HTTP_BODY_BYTES = 1000
    assert "LIMIT_HTTP_BODY_BYTES is 1000: " in found()[0]


def test_checks_refuse_certificates_of_redis_that_are_not_there(settings: Settings) -> None:
    settings.REDIS_URL = "rediss://redis.example.com?ssl_ca_certs=/nowhere/ca.crt"
    (error,) = [one for one in run_checks() if one.id == "signaling.E001"]
    assert error.is_serious()
    assert error.msg.endswith("that cannot be used: No such file or directory.")
    settings.REDIS_URL = "rediss://redis.example.com"
    assert found() == []
