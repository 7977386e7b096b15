import time

import pytest
from pytest_django import Settings

from turn.credentials import LAST_EXPIRY, TurnSettings, mint
from turn.ice import KeptServers, expiry, ice_servers, ice_servers_for_call, ice_servers_until

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


# --- Those that calls have --------------------------------------------------------------------------------

NOW = 1_893_456_000.0
# A quarter of the lifetime.
FRESH_SECONDS = 150


def kept_for(client_id: str, kept: KeptServers, now: float, turn: TurnSettings) -> str:
    """Return the username of the credential that a client is given."""
    (*_, server) = kept.get(turn, client_id, now)
    return server["username"]


def test_ice_servers_for_call_are_given_again_while_three_quarters_of_their_life_are_left(settings: Settings) -> None:
    kept = KeptServers(2)
    first = kept_for("alice", kept, NOW, settings.TURN)

    assert first == f"{int(NOW) + 600}:alice"
    assert kept_for("alice", kept, NOW + FRESH_SECONDS, settings.TURN) == first
    assert kept_for("alice", kept, NOW + FRESH_SECONDS + 1, settings.TURN) == f"{int(NOW) + FRESH_SECONDS + 601}:alice"


def test_ice_servers_for_call_are_each_clients_own(settings: Settings) -> None:
    kept = KeptServers(2)

    assert kept_for("alice", kept, NOW, settings.TURN) == f"{int(NOW) + 600}:alice"
    assert kept_for("bob", kept, NOW, settings.TURN) == f"{int(NOW) + 600}:bob"


def test_ice_servers_for_call_are_kept_for_so_many_clients(settings: Settings) -> None:
    kept = KeptServers(2)
    for seconds, name in enumerate(["alice", "bob", "carol"]):
        kept_for(name, kept, NOW + seconds, settings.TURN)

    assert kept_for("bob", kept, NOW + 10, settings.TURN) == f"{int(NOW) + 601}:bob"
    assert kept_for("carol", kept, NOW + 10, settings.TURN) == f"{int(NOW) + 602}:carol"
    assert kept_for("alice", kept, NOW + 10, settings.TURN) == f"{int(NOW) + 610}:alice"


def test_ice_servers_for_call_that_are_made_again_are_the_last_to_go(settings: Settings) -> None:
    kept = KeptServers(2)
    for seconds, name in [(0, "alice"), (1, "bob"), (200, "alice"), (201, "carol")]:
        kept_for(name, kept, NOW + seconds, settings.TURN)

    assert kept_for("alice", kept, NOW + 300, settings.TURN) == f"{int(NOW) + 800}:alice"


def test_ice_servers_for_call_follow_the_settings(settings: Settings) -> None:
    kept = KeptServers(2)
    kept_for("alice", kept, NOW, settings.TURN)
    another = TurnSettings(secrets=("newest",), urls=URLS, ttl_seconds=600)

    assert kept.get(another, "alice", NOW)[0]["credential"] == mint("newest", "alice", int(NOW) + 600).password


def test_ice_servers_for_call_are_minted_each_time_where_coturns_last_second_shortens_their_life(
    settings: Settings,
) -> None:
    kept, late = KeptServers(2), LAST_EXPIRY - 300

    assert kept.get(settings.TURN, "alice", late) is not kept.get(settings.TURN, "alice", late)


def test_ice_servers_for_call_have_the_clients_credential() -> None:
    before = int(time.time())
    (first, _) = ice_servers_for_call("alice")

    assert first["username"].endswith(":alice")
    assert int(first["username"].removesuffix(":alice")) >= before + 450
