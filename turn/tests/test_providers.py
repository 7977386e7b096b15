"""The providers of `turn/providers/`, against servers that speak their documented APIs."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pytest_django import Settings

from tests.support.turn_apis import Api, cloudflare, metered, serving
from turn import ice
from turn.credentials import CLOUDFLARE, METERED, STATIC, TurnSettings
from turn.pool import ProviderError
from turn.providers import rest
from turn.providers.cloudflare import Cloudflare, url_of
from turn.providers.metered import Metered

SECRET = "secret-of-the-test"  # no real one
RELAY = "turn:a.relay.metered.ca:443?transport=tcp"
OFFERED = (
    "turn:turn.cloudflare.com:3478?transport=udp",
    "turn:turn.cloudflare.com:53?transport=udp",
    "turns:turn.cloudflare.com:5349?transport=tcp",
    "turns:turn.cloudflare.com:443?transport=tcp",
)


def account(seconds: int) -> tuple[str, str]:
    return f"for {seconds} s", "password"


@pytest.fixture
def metered_api() -> Iterator[Api]:
    with serving(metered(SECRET, account)) as api:
        yield api


@pytest.fixture
def at_metered(metered_api: Api) -> TurnSettings:
    return TurnSettings((SECRET,), (RELAY,), provider=METERED, api_url=metered_api.url, ttl_seconds=900)


@pytest.fixture
def cloudflare_api() -> Iterator[Api]:
    with serving(cloudflare("key-1", SECRET, OFFERED, account)) as api:
        yield api


@pytest.fixture
def at_cloudflare(cloudflare_api: Api) -> TurnSettings:
    return TurnSettings((SECRET,), provider=CLOUDFLARE, api_url=f"{cloudflare_api.url}/", key_id="key-1")


def test_metered_makes_a_credential_for_the_urls_of_the_settings(at_metered: TurnSettings, metered_api: Api) -> None:
    assert Metered().ask(at_metered) == [{"urls": RELAY, "username": "for 900 s", "credential": "password"}]
    (asked,) = metered_api.asked
    assert (asked.body, asked.authorization) == ({"expiryInSeconds": 900}, "")


def test_cloudflare_gives_servers_and_those_that_browsers_do_not_use_are_left_out(
    at_cloudflare: TurnSettings, cloudflare_api: Api
) -> None:
    given = {"username": "for 3600 s", "credential": "password"}
    assert Cloudflare().ask(at_cloudflare) == [
        {"urls": "stun:stun.cloudflare.com:3478"},
        *({"urls": url, **given} for url in OFFERED if ":53?" not in url),
    ]
    assert cloudflare_api.asked[0].body == {"ttl": 3600}


def test_cloudflares_api_is_known_and_the_key_id_is_quoted() -> None:
    turn = TurnSettings((SECRET,), key_id="a/b")
    assert url_of(turn) == "https://rtc.live.cloudflare.com/v1/turn/keys/a%2Fb/credentials/generate-ice-servers"


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (401, {"message": "Invalid secret key"}, "it answers 401: check TURN_SECRET"),
        (404, {}, "it answers 404: check TURN_API_URL and TURN_KEY_ID"),
        (500, b"<html>", "it answers 500"),
        (200, b"<html>", "its answer is not what its API documents"),
        (200, b"\xff", "its answer is not what its API documents"),
        (200, {}, "its answer is not what its API documents"),
        (200, {"username": "u", "password": 7}, "its answer is not what its API documents"),
        (200, {"username": "", "password": ""}, "its answer has no credential"),
        (200, b"[" * 70_000, "its answer is too long"),
    ],
    ids=["401", "404", "500", "html", "bytes", "empty", "number", "none", "long"],
)
def test_answer_that_gives_nothing_is_explained(
    status: int, answer: object, words: str, at_metered: TurnSettings, metered_api: Api
) -> None:
    metered_api.answer = lambda _: (status, answer)
    with pytest.raises(ProviderError) as refused:
        Metered().ask(at_metered)
    assert str(refused.value) == words


def test_answer_without_a_turn_server_is_explained(at_cloudflare: TurnSettings, cloudflare_api: Api) -> None:
    cloudflare_api.answer = lambda _: (201, {"iceServers": [{"urls": "stun:s.example.com"}, {"urls": ["turn:x", "?"]}]})
    with pytest.raises(ProviderError, match="no TURN server"):
        Cloudflare().ask(at_cloudflare)


def test_provider_that_cannot_be_reached_is_explained(at_metered: TurnSettings, metered_api: Api) -> None:
    metered_api.answer = None
    with pytest.raises(ProviderError, match="cannot be reached"):
        Metered().ask(at_metered)
    with pytest.raises(ProviderError, match="cannot be reached"):
        Metered().ask(replace(at_metered, api_url="http://127.0.0.1:1"))


def test_provider_that_does_not_answer_is_not_waited_for(
    at_metered: TurnSettings, metered_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest, "ANSWER_SECONDS", 0.05)
    is_given_up = threading.Event()

    def late(_: object) -> tuple[int, object]:
        is_given_up.wait(20)
        return 200, {}

    metered_api.answer = late
    with pytest.raises(ProviderError, match=r"did not answer within 0\.05 s"):
        Metered().ask(at_metered)
    is_given_up.set()


@pytest.mark.parametrize("status", [302, 307])
def test_secret_follows_no_redirect_and_stands_in_no_error(
    status: int, at_cloudflare: TurnSettings, cloudflare_api: Api
) -> None:
    with serving(lambda _: (200, {})) as elsewhere:
        cloudflare_api.answer, cloudflare_api.location = lambda _: (status, {}), elsewhere.url
        with pytest.raises(ProviderError) as refused:
            Cloudflare().ask(at_cloudflare)
    assert elsewhere.asked == []
    assert str(refused.value) == f"it answers {status}"
    assert (refused.value.__cause__, refused.value.__suppress_context__) == (None, True)


def test_clients_get_what_the_provider_gave_behind_the_stun_servers(
    at_metered: TurnSettings, metered_api: Api, settings: Settings
) -> None:
    settings.TURN = replace(at_metered, stun_urls=("stun:s.example.com",))
    assert [server["urls"] for server in ice.ice_servers("alice")] == ["stun:s.example.com"]
    before = int(time.time())
    ice.fetch()
    servers, expires_at = ice.entries("alice")
    assert [server["urls"] for server in servers] == ["stun:s.example.com", RELAY]
    assert before + 900 <= expires_at <= time.time() + 900
    assert ice.ice_servers_for_call("bob") == servers
    assert len(metered_api.asked) == 1
    state = ice.provider_state()
    assert state is not None
    assert state.is_up


def test_static_list_is_one_account_for_all(settings: Settings) -> None:
    settings.TURN = TurnSettings((SECRET,), (RELAY,), provider=STATIC, username="us")
    assert ice.ice_servers("alice") == [{"urls": RELAY, "username": "us", "credential": SECRET}]
    assert ice.provider_state() is None


@pytest.mark.parametrize("url", ["", "turn.example.com"])
def test_request_that_cannot_be_sent_tells_no_secret(at_metered: TurnSettings, url: str) -> None:
    with pytest.raises(ProviderError, match="check TURN_API_URL") as refused:
        Metered().ask(replace(at_metered, api_url=url))
    assert SECRET not in str(refused.value)
