import asyncio
import hashlib
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.people import Person, frame
from tests.servers import ROOT, database_template, environment, server

KEY = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
KEYS = {
    "one character": "x",
    "8,192 characters": "k" * 8_192,
    "8,192 emoji": "🙂" * 8_192,
    "white space at the ends": "  key  ",
    "nothing but white space": " ",
    "unicode": "clé é é ключ 鍵 \u202e",
    "markup": "<script>'\"; DROP TABLE pkd_publickey; --",
    "json": '{"kty":"OKP","crv":"X25519","x":"3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"}',
    "null": "null",
}
BAD_KEYS: list[Any] = [
    "",
    "k" * 8_193,
    "🙂" * 8_193,
    "a\nb",
    "a\r",
    "\t",
    "a\0b",
    "\x1f",
    "\x7f",
    "\x85",
    7,
    None,
    {},
    [],
]


async def publishes(person: Person, key: str) -> None:
    await person.send_raw(frame("PKD_REGISTER", {"clientId": person.id, "publicKey": key}))
    assert await person.expects("PKD_RESULT") == {"clientId": person.id, "publicKey": key}


async def finds(person: Person, client_id: str, key: str | None) -> None:
    await person.send("PKD_LOOKUP", clientId=client_id)
    assert await person.expects("PKD_RESULT") == {"clientId": client_id, "publicKey": key}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
async def test_key_is_returned_unchanged(alice: Person, bob: Person, key: str) -> None:
    await publishes(alice, key)
    await finds(alice, alice.id, key)
    await finds(bob, alice.id, key)


async def test_lookup_of_an_unknown_client_is_null(alice: Person, bob: Person) -> None:
    await finds(alice, f"{alice.id}-nobody", None)
    await finds(alice, bob.id, None)


async def test_lookup_finds_offline_clients(alice: Person, bob: Person) -> None:
    await publishes(bob, KEY)
    await bob.close()
    await finds(alice, bob.id, KEY)


async def test_newest_key_counts(alice: Person, bob: Person) -> None:
    for key in ("first", "second", "first", "first"):
        await publishes(alice, key)
        await finds(bob, alice.id, key)


async def test_ids_are_told_apart_by_case(alice: Person) -> None:
    await publishes(alice, KEY)
    await finds(alice, alice.id.upper(), None)


async def test_another_clients_key_cannot_be_published(alice: Person, bob: Person) -> None:
    await publishes(bob, KEY)
    for client_id in (bob.id, f"{alice.id}-nobody", alice.id.upper()):
        await alice.send("PKD_REGISTER", clientId=client_id, publicKey="evil")
        await alice.expects_error("NOT_REGISTERED", "PKD_REGISTER")
    await finds(alice, bob.id, KEY)
    await finds(alice, f"{alice.id}-nobody", None)


@pytest.mark.parametrize("bad", BAD_KEYS, ids=lambda bad: repr(bad)[:12])
async def test_bad_key_is_invalid(alice: Person, bad: Any) -> None:
    await publishes(alice, KEY)
    await alice.send_raw(frame("PKD_REGISTER", {"clientId": alice.id, "publicKey": bad}))
    await alice.expects_error("INVALID_MESSAGE", "PKD_REGISTER")
    await finds(alice, alice.id, KEY)


async def test_answers_keep_the_order_of_requests(alice: Person, bob: Person) -> None:
    for number in range(20):
        await alice.send("PKD_REGISTER", clientId=alice.id, publicKey=f"key {number}")
        await alice.send("PKD_LOOKUP", clientId=alice.id)
    for number in range(20):
        await alice.expects("PKD_RESULT", publicKey=f"key {number}")
        await alice.expects("PKD_RESULT", publicKey=f"key {number}")
    await finds(bob, alice.id, "key 19")


async def test_many_publish_at_once(alice: Person, bob: Person) -> None:
    async def publish(person: Person) -> None:
        for number in range(5):
            await publishes(person, f"{person.id} {number}")

    await asyncio.gather(publish(alice), publish(bob))
    await finds(alice, bob.id, f"{bob.id} 4")
    await finds(bob, alice.id, f"{alice.id} 4")


# --- The database behind it -------------------------------------------------------------------------


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return Path(shutil.copy(database_template(), tmp_path / "kept.sqlite3"))


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(database, timeout=20)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
async def test_what_was_answered_outlives_the_server(database: Path, end: signal.Signals) -> None:
    env = {"DATABASE_URL": f"sqlite:///{database}"}
    with server(env=env) as running:
        async with Person(running.ws_url, "alice") as alice:
            await alice.registers()
            await publishes(alice, "old")
            await publishes(alice, KEY)
            running.signal(end)
            await asyncio.to_thread(running.wait)
    with server(env=env) as running:
        async with Person(running.ws_url, "bob") as bob:
            await bob.registers()
            await finds(bob, "alice", KEY)


async def test_every_change_is_kept_and_nothing_else(database: Path) -> None:
    with server(env={"DATABASE_URL": f"sqlite:///{database}"}) as running:
        async with Person(running.ws_url, "alice") as alice:
            await alice.registers()
            for key in ("first", "first", "second", "second", "first"):
                await publishes(alice, key)
            await finds(alice, "nobody", None)
    first, second = (hashlib.sha256(key.encode()).hexdigest() for key in ("first", "second"))
    history = rows(database, "SELECT old_fingerprint, new_fingerprint FROM pkd_keychange ORDER BY id")
    assert [(old or None, new) for old, new in history] == [(None, first), (first, second), (second, first)]
    assert rows(database, "SELECT client_id, public_key, fingerprint FROM pkd_publickey") == [("alice", "first", first)]


def frozen(database: Path, client_id: str) -> None:
    """Freeze a client ID, as an operator does in the admin."""
    decide = (
        "import django; django.setup();"
        "from pkd.models import PublicKey; from pkd.decisions import FREEZE;"
        f"FREEZE.take(PublicKey.objects.get(client_id='{client_id}'), 'olga', 'vip')"
    )
    env = environment(database, {"DJANGO_SETTINGS_MODULE": "securecall_site.settings"})
    subprocess.run([sys.executable, "-c", decide], cwd=ROOT, env=env, check=True)


async def test_frozen_key_cannot_change(database: Path) -> None:
    with server(env={"DATABASE_URL": f"sqlite:///{database}"}) as running:
        async with Person(running.ws_url, "alice") as alice:
            await alice.registers()
            await publishes(alice, KEY)
            await asyncio.to_thread(frozen, database, "alice")
            await alice.send("PKD_REGISTER", clientId="alice", publicKey="another")
            error = await alice.expects_error("INVALID_MESSAGE", "PKD_REGISTER")
            assert error["message"] == "Ask an operator if your key has to change: this key is frozen."
            await publishes(alice, KEY)
            await finds(alice, "alice", KEY)


async def test_database_that_is_away_means_try_again(database: Path) -> None:
    with server(env={"DATABASE_URL": f"sqlite:///{database}"}) as running:
        async with Person(running.ws_url, "alice") as alice, Person(running.ws_url, "bob") as bob:
            await alice.registers()
            await bob.registers()
            await publishes(alice, KEY)
            rows(database, "ALTER TABLE pkd_publickey RENAME TO away")
            await alice.send("PKD_REGISTER", clientId="alice", publicKey="newer")
            await alice.expects_error("RATE_LIMITED", "PKD_REGISTER")
            await alice.send("PKD_LOOKUP", clientId="alice")
            await alice.expects_error("RATE_LIMITED", "PKD_LOOKUP")
            # Calls need no database.
            await alice.talks_to(bob)
            rows(database, "ALTER TABLE away RENAME TO pkd_publickey")
            await finds(bob, "alice", KEY)
            await publishes(alice, "newer")
