"""A server whose TURN credentials a provider makes: fetched ahead, away, and back; and doctor, who tries them."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.people import Person
from tests.support.scrape import TOKEN, figures
from tests.support.servers import ROOT, database_template, environment, eventually, server
from tests.support.services import Coturn
from tests.support.turn_apis import Api, metered, serving
from turn.credentials import mint

SECRET_KEY = "secret-key-of-the-app"
AWAY, BACK = "Metered gives no TURN credentials, as it cannot be reached", "Metered gives TURN credentials again"


@pytest.fixture
def provider(coturn_server: Coturn) -> Iterator[Api]:
    """Metered's API, whose relay is a coturn."""

    def account(seconds: int) -> tuple[str, str]:
        credential = mint(coturn_server.secrets[0], "made-by-the-provider", int(time.time()) + seconds)
        return credential.username, credential.password

    with serving(metered(SECRET_KEY, account)) as api:
        yield api


@pytest.fixture
def env(provider: Api, coturn_server: Coturn) -> dict[str, str]:
    return {
        "TURN_PROVIDER": "metered",
        "TURN_API_URL": provider.url,
        "TURN_SECRET": SECRET_KEY,
        "TURN_URLS": coturn_server.url("udp"),
        "METRICS_TOKEN": TOKEN,
    }


async def test_provider_is_asked_ahead_and_calls_are_served_while_it_is_away(
    provider: Api, env: dict[str, str], coturn_server: Coturn
) -> None:
    answer, provider.answer = provider.answer, None
    with server(env=env) as running:
        await running.logged(AWAY)
        assert figures(running)["securecall_turn_provider_up"] == 0
        async with Person(running.ws_url, "alice") as alice, Person(running.ws_url, "bob") as bob:
            assert (await alice.register("alice"))["iceServers"] == []
            await bob.registers()
            await alice.talks_to(bob)
            provider.answer = answer
            await running.logged(BACK)
            asked = len(provider.asked)
            await alice.send("TURN_CREDENTIALS")
            fresh = await alice.expects("TURN_CREDENTIALS")
            (entry,) = fresh["iceServers"]
            assert entry["urls"] == coturn_server.url("udp")
            assert entry["username"].endswith(":made-by-the-provider")
            assert abs(fresh["expiresAt"] - time.time() - 3600) < 60
            assert (await bob.register("bob"))["iceServers"] == [entry]
        await asyncio.to_thread(
            eventually, lambda: figures(running)["securecall_turn_provider_up"] or None, lambda: "it is not up", 10
        )
        assert len(provider.asked) == asked
        assert running.log.count("gives no TURN credentials") == 1
        assert SECRET_KEY not in running.log


def test_doctor_asks_the_provider_and_allocates_on_its_relay(
    provider: Api, env: dict[str, str], coturn_server: Coturn, tmp_path: Path
) -> None:
    database = tmp_path / "db.sqlite3"
    database.write_bytes(database_template().read_bytes())
    finished = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json", "--timeout", "5"],
        cwd=ROOT,
        env=environment(database, env),
        capture_output=True,
        text=True,
        check=False,
    )
    about = [line for line in json.loads(finished.stdout)["findings"] if line["subject"] == "turn"]
    assert [line["outcome"] for line in about] == ["ok"], about
    assert about[0]["sentence"].startswith(f"{coturn_server.url('udp')} gives a relay address in ")
    assert len(provider.asked) == 1
    assert SECRET_KEY not in finished.stdout + finished.stderr
