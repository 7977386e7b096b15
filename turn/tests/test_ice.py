import time

import pytest
from pytest_django import Settings

from turn.credentials import TurnSettings, mint
from turn.ice import expiry, ice_servers, ice_servers_until

URLS = ("turn:a.example.com:443?transport=tcp", "turn:b.example.com:3478?transport=udp")


@pytest.fixture(autouse=True)
def _turn_settings(settings: Settings) -> None:
    settings.TURN = TurnSettings(secrets=("newer", "older"), urls=URLS, ttl_seconds=600)


def test_ice_servers_have_one_url_each_and_the_first_secrets_credential() -> None:
    credential = mint("newer", "alice", 1_893_456_000)

    assert ice_servers_until("alice", 1_893_456_000) == [
        {"urls": url, "username": credential.username, "credential": credential.password} for url in URLS
    ]


def test_ice_servers_begin_with_stun(settings: Settings) -> None:
    settings.TURN = TurnSettings(secrets=("newer",), urls=URLS, stun_urls=("stun:s.example.com",))

    assert [server["urls"] for server in ice_servers("alice")] == ["stun:s.example.com", *URLS]
    assert ice_servers("alice")[0] == {"urls": "stun:s.example.com"}


def test_ice_servers_are_empty_without_a_secret(settings: Settings) -> None:
    settings.TURN = TurnSettings(urls=URLS)

    assert ice_servers("alice") == []


def test_ice_servers_are_stun_alone_without_a_secret(settings: Settings) -> None:
    settings.TURN = TurnSettings(urls=URLS, stun_urls=("stun:s.example.com",))

    assert ice_servers("alice") == [{"urls": "stun:s.example.com"}]


def test_ice_servers_expire_after_the_ttl() -> None:
    before = int(time.time())
    minted = ice_servers("alice")
    after = int(time.time())

    expires_at = int(minted[0]["username"].removesuffix(":alice"))
    assert before + 600 <= expires_at <= after + 600
    assert minted == ice_servers_until("alice", expires_at)


def test_expiry_is_whole_seconds_from_now() -> None:
    before = int(time.time())

    assert before + 600 <= expiry() <= int(time.time()) + 600
