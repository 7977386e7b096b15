"""Another provider of TURN servers: this file, and its name in TURN_PROVIDER."""

import pytest
from pytest_django import Settings

from turn.credentials import TurnSettings
from turn.ice import ice_servers_until
from turn.provider import IceServer, load


class FixedPassword:
    """A TURN server with one account for all: TURN_SECRET is its `username:password`."""

    def ice_servers(self, turn: TurnSettings, _client_id: str, _expires_at: int) -> list[IceServer]:
        username, _, password = turn.secrets[0].partition(":")
        return [{"urls": url, "username": username, "credential": password} for url in turn.urls]


FIXED = f"{__name__}.FixedPassword"


def test_provider_of_the_setting_makes_the_entries(settings: Settings) -> None:
    urls = ("turn:a.example.com", "turns:b.example.com")
    settings.TURN = TurnSettings(("us:known",), urls, ("stun:s.example.com",), provider=FIXED)

    assert ice_servers_until("alice", 1_893_456_000) == [
        {"urls": "stun:s.example.com"},
        *({"urls": url, "username": "us", "credential": "known"} for url in urls),
    ]


def test_provider_is_not_asked_without_a_secret(settings: Settings) -> None:
    settings.TURN = TurnSettings((), ("turn:a.example.com",), provider=FIXED)

    assert ice_servers_until("alice", 1_893_456_000) == []


def test_provider_is_made_once() -> None:
    assert load(FIXED) is load(FIXED)


def test_provider_that_is_none_cannot_be_loaded() -> None:
    with pytest.raises(ImportError):
        load("turn.no_such.Provider")
