import base64
import hashlib
import hmac
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TURN_SECRET, TURN_URLS
from tests.support.people import ANSWER, OFFER, Person
from tests.support.servers import ROOT, SITE, RunningServer, command_line, database_template, environment, server
from tests.support.services import NotInstalledError, WallClock, skip_or_fail

TTL_SECONDS = 3600
LAST_EXPIRY = 2_147_483_647


def credential(secret: str, username: str) -> str:
    """draft-uberti-behave-turn-rest-00, section 2.2."""
    return base64.b64encode(hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()).decode()


def expiry(ice_servers: list[dict[str, Any]], client_id: str, *, ttl_seconds: int = TTL_SECONDS) -> int:
    """Check that the list is for this client and minted now; returns when it expires."""
    assert [entry["urls"] for entry in ice_servers] == list(TURN_URLS)
    (username,) = {entry["username"] for entry in ice_servers}
    for entry in ice_servers:
        assert entry == {
            "urls": entry["urls"],
            "username": username,
            "credential": credential(TURN_SECRET, username),
        }
    expires_at, _, owner = username.partition(":")
    assert owner == client_id
    assert abs(int(expires_at) - ttl_seconds - time.time()) < 5
    return int(expires_at)


async def test_credentials_come_with_registered(stranger: Person) -> None:
    expiry((await stranger.register(stranger.id))["iceServers"], stranger.id)
    expiry((await stranger.register(stranger.id))["iceServers"], stranger.id)


async def test_each_side_of_a_call_gets_its_own(alice: Person, bob: Person) -> None:
    await alice.send("CALL_INITIATE", targetId=bob.id, sdpOffer=OFFER)
    incoming = await bob.expects("INCOMING_CALL")
    expiry(incoming["iceServers"], bob.id)
    await bob.send("CALL_ACCEPT", callId=incoming["callId"], sdpAnswer=ANSWER)
    expiry((await alice.expects("CALL_ACCEPTED"))["iceServers"], alice.id)


@pytest.mark.parametrize("text", ['{"type":"TURN_CREDENTIALS","payload":{}}', '{"type":"TURN_CREDENTIALS"}'])
async def test_fresh_credentials_on_request(alice: Person, text: str) -> None:
    await alice.send_raw(text)
    fresh = await alice.expects("TURN_CREDENTIALS")
    assert fresh.keys() == {"iceServers", "expiresAt"}
    assert fresh["expiresAt"] == expiry(fresh["iceServers"], alice.id)
    assert type(fresh["expiresAt"]) is int


# --- What the environment says ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def without_secret() -> Iterator[RunningServer]:
    with server() as running:
        yield running


@pytest.fixture(scope="module")
def with_everything() -> Iterator[RunningServer]:
    env = {
        "TURN_SECRET": "newer,older",
        "STUN_URLS": "stun:stun.example.com:3478,stun:stun2.example.com",
        "TURN_TTL_SECONDS": "60",
    }
    with server(env=env) as running:
        yield running


async def test_without_a_secret_the_list_is_empty_everywhere(without_secret: RunningServer) -> None:
    url = without_secret.ws_url
    async with Person(url, "alice") as alice, Person(url, "bob") as bob:
        assert (await alice.register("alice"))["iceServers"] == []
        await bob.registers()
        await alice.send("CALL_INITIATE", targetId="bob", sdpOffer=OFFER)
        incoming = await bob.expects("INCOMING_CALL", iceServers=[])
        await bob.send("CALL_ACCEPT", callId=incoming["callId"], sdpAnswer=ANSWER)
        await alice.expects("CALL_ACCEPTED", iceServers=[])
        await alice.send("TURN_CREDENTIALS")
        await alice.expects("TURN_CREDENTIALS", iceServers=[])


def test_without_a_secret_the_start_says_so(without_secret: RunningServer) -> None:
    assert "TURN_SECRET" in without_secret.log


async def test_default_url_ttl_and_first_secret(with_everything: RunningServer) -> None:
    async with Person(with_everything.ws_url, "alice") as alice:
        *stun, turn = (await alice.register("alice"))["iceServers"]
        assert [entry["urls"] for entry in stun] == ["stun:stun.example.com:3478", "stun:stun2.example.com"]
        assert turn["urls"] == "turn:a.relay.metered.ca:443?transport=tcp"
        assert turn["credential"] == credential("newer", turn["username"])
        await alice.send("TURN_CREDENTIALS")
        fresh = await alice.expects("TURN_CREDENTIALS")
        assert abs(fresh["expiresAt"] - 60 - time.time()) < 5
        assert json.dumps(fresh).count(str(fresh["expiresAt"])) == 2


@pytest.fixture
def in_2038(tmp_path: Path) -> WallClock:
    """A clock that is a day short of the last second of 31 bits."""
    try:
        clock = WallClock(tmp_path)
    except NotInstalledError as missing:
        skip_or_fail(missing)
    clock.set_to(LAST_EXPIRY - int(time.time()) - 86_400)
    return clock


async def test_credential_expires_no_later_than_turn_servers_take(in_2038: WallClock) -> None:
    env = {**in_2038.environment, "TURN_SECRET": "secret", "TURN_TTL_SECONDS": "2592000"}
    with server(env=env) as running:
        async with Person(running.ws_url, "alice") as alice:
            [turn] = (await alice.register("alice"))["iceServers"]
            assert turn["username"] == f"{LAST_EXPIRY}:alice"
            await alice.send("TURN_CREDENTIALS")
            await alice.expects("TURN_CREDENTIALS", expiresAt=LAST_EXPIRY)
        assert "all end on 2038-01-19 at 03:14:07 UTC" in running.log


def test_urls_that_end_calls_stop_the_start_with_a_sentence_each(tmp_path: Path) -> None:
    database = shutil.copy(database_template(), tmp_path / "db.sqlite3")
    command = command_line("ours", SITE, None)
    urls = {"STUN_URLS": "stuns:stun.example.com", "TURN_URLS": "turn:turn.example.com:587"}
    env = environment(Path(database), urls)

    finished = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60)

    assert finished.returncode == 1
    assert "STUN_URLS has a stuns: URI, which ends every call of Firefox" in finished.stderr
    assert "TURN_URLS has port 587, which ends every call of Firefox" in finished.stderr
    assert "SecureCall cannot start" in finished.stderr
