"""What the doctor says of the public log: none, unbuilt, behind its guard, and well, with either guard."""

from pathlib import Path

import pytest
from pytest_django import Settings

from diagnostics.doctor import public_log
from diagnostics.doctor.confidential import without_secrets
from diagnostics.outcome import Outcome
from securecall_site import log_guard
from tests.support.witness import witnessing
from transparency.build import build
from transparency.keys import LogKeys
from transparency.tests.logged import TRUST, accepts, keys
from transparency.witness import REFUSALS
from transparency.witness_policy import Policy

__all__ = ["keys"]

pytestmark = pytest.mark.django_db(transaction=True)


def said() -> tuple[Outcome, str]:
    (finding,) = public_log.examine(log_guard.read)
    return finding.outcome, finding.sentence


def test_doctor_says_how_the_log_is(keys: LogKeys, settings: Settings, tmp_path: Path, redis_url: str) -> None:
    guard = tmp_path / "guard"
    settings.LOG_GUARD = str(guard)
    accepts(None, 0)
    assert said()[0] is Outcome.FAILED
    assert "buildlog" in said()[1]
    build(keys)
    assert said() == (Outcome.OK, "has 1 entries, and the guard 0 that were signed")
    accepts(None, 1)
    assert "buildlog" in said()[1]
    build(keys)
    guard.write_text(f"{keys.vkey} 1 {TRUST['roots'][0]}\n")
    assert said() == (Outcome.OK, "has 2 entries, and the guard 1 that were signed")
    guard.write_text(f"{keys.vkey} 3 {TRUST['roots'][2]}\n")
    assert said()[0] is Outcome.FAILED
    assert "an older copy" in said()[1]
    guard.write_text("what is this")
    assert "guard does not answer" in said()[1]
    settings.REDIS_URL = redis_url
    assert said() == (Outcome.OK, "has 2 entries, and the guard 0 that were signed")
    settings.REDIS_URL = "redis://127.0.0.1:1"
    assert "guard does not answer" in said()[1]
    assert without_secrets(f"{settings.LOG_KEY} {settings.LOG_VRF_KEY}") == "*** ***"


def test_doctor_asks_the_witnesses(keys: LogKeys, settings: Settings, tmp_path: Path) -> None:
    guard = tmp_path / "guard"
    settings.LOG_GUARD = str(guard)
    accepts(keys, 0)
    guard.write_text(f"{keys.vkey} 1 {TRUST['roots'][0]}\n")
    with witnessing(keys.vkey, "one.example") as one, witnessing(keys.vkey, "two.example") as two:
        settings.LOG_WITNESSES = Policy.parse(
            [one.line, two.line, "group any any one.example two.example", "quorum any"]
        )
        two.answers = 404, b""
        found = [(finding.outcome, finding.sentence) for finding in public_log.examine(log_guard.read)][1:]
        assert found == [
            (Outcome.FAILED, f"Witness two.example does not cosign: {REFUSALS[404]}"),
            (Outcome.OK, "1 of 2 witnesses answer, which is enough"),
        ]
        one.answers, two.answers = (200, b""), (409, b"7\n")
        found = [(finding.outcome, finding.sentence) for finding in public_log.examine(log_guard.read)][1:]
        # Whoever has seen more says so.
        assert [outcome for outcome, _ in found] == [Outcome.FAILED, Outcome.OK]
        two.answers = 500, b""
        assert [finding.outcome for finding in public_log.examine(log_guard.read)][1:] == [Outcome.FAILED] * 2


def test_doctor_says_that_there_is_no_log(settings: Settings) -> None:
    assert list(public_log.examine(log_guard.read)) == []
    settings.DIRECTORY_NAME = "calls.example.org"
    assert said()[0] is Outcome.WARNING
