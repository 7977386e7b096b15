from dataclasses import replace

import pytest
from django.core.checks import ERROR, WARNING, run_checks
from pytest_django import Settings

from turn.credentials import CLOUDFLARE, DEFAULT_PROVIDER, METERED, STATIC, TurnSettings


def found() -> list[tuple[int, str, str]]:
    """Level, message and hint of what the checks of this app find."""
    messages = run_checks()
    return [(one.level, one.msg, one.hint or "") for one in messages if one.id and one.id.startswith("turn.")]


@pytest.fixture(autouse=True)
def _turn_settings(settings: Settings) -> None:
    settings.TURN = TurnSettings(
        secrets=("secret",), urls=("turn:turn.example.com",), stun_urls=("stun:stun.example.com",)
    )


def test_checks_find_nothing_in_usual_urls() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("variable", "field", "url", "fault"),
    [
        ("STUN_URLS", "stun_urls", "stuns:stun.example.com", "has a stuns: URI"),
        ("STUN_URLS", "stun_urls", "stun:stun.example.com:5060", "has port 5060"),
        ("TURN_URLS", "urls", "turns:turn.example.com:993?transport=tcp", "has port 993"),
    ],
)
def test_checks_refuse_what_ends_calls(settings: Settings, variable: str, field: str, url: str, fault: str) -> None:
    settings.TURN = replace(settings.TURN, **{field: ("turn:a.example.com", url, url)})

    [(level, message, hint)] = found()

    assert level == ERROR
    assert f"{variable} {fault}, which ends every call of Firefox" in message
    assert hint


def test_checks_warn_of_what_a_browser_leaves_out(settings: Settings) -> None:
    settings.TURN = replace(settings.TURN, urls=("turn:turn.example.com:853", "turns:192.0.2.1"))

    assert [(level, message.split(",")[0]) for level, message, _ in found()] == [
        (WARNING, "TURN_URLS has port 853"),
        (WARNING, "TURN_URLS has a turns: URI with an address in place of a name"),
    ]


@pytest.mark.parametrize(
    ("provider", "variable"), [(METERED, "TURN_API_URL"), (CLOUDFLARE, "TURN_KEY_ID"), (STATIC, "TURN_USERNAME")]
)
def test_checks_name_what_a_provider_needs_besides(settings: Settings, provider: str, variable: str) -> None:
    settings.TURN = replace(settings.TURN, provider=provider)

    [(level, message, _)] = found()

    assert level == ERROR
    assert message == f"{variable} is not set, and TURN_PROVIDER needs it."
    settings.TURN = replace(settings.TURN, api_url="https://a.metered.live", key_id="key", username="us")
    assert found() == []


@pytest.mark.parametrize(
    "path",
    [
        *("", "turn", "turn.no_such.Provider", "turn.shared_secret.NoSuch"),
        *("turn.urls", "turn.urls.ServerUrl", "turn.ice.entries", "builtins.dict"),
    ],
)
def test_checks_refuse_a_provider_that_cannot_be_loaded(settings: Settings, path: str) -> None:
    settings.TURN = replace(settings.TURN, provider=path)

    [(level, message, hint)] = found()

    assert level == ERROR
    assert message.startswith("TURN_PROVIDER names no class that can be imported: ")
    assert DEFAULT_PROVIDER in hint
