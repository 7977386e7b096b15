import pytest
from pytest_django import Settings

from diagnostics.doctor import relay
from diagnostics.outcome import Outcome
from turn.credentials import METERED, TurnSettings


def test_provider_that_gives_nothing_has_failed(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.TURN = TurnSettings(
        ("secret key",), ("turn:turn.example.com",), provider=METERED, api_url="http://127.0.0.1:1"
    )
    (finding,) = relay.examine(1)
    assert finding.outcome is Outcome.FAILED
    assert finding.sentence.startswith("Metered gives no credentials: it cannot be reached (")
    assert "secret key" not in finding.sentence + caplog.text
