import asyncio
import hashlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pkd.tests.samples import BASE64, KEYS
from signaling.protocol.fields import MAX_FRAME_BYTES
from tests.conftest import SHARED, Join
from tests.support.people import Person, frame
from tests.support.servers import ROOT, RunningServer, database_template, environment, server

TOO_LONG = "publicKey is 16,385 bytes long in UTF-8; give a key of at most 16,384 bytes."
NO_STRING = "publicKey is not a string; give the key as one."
BAD_KEYS: dict[str, tuple[dict[str, Any], str]] = {
    "missing": ({}, "publicKey is missing; give the key as a string."),
    "null": ({"publicKey": None}, NO_STRING),
    "a number": ({"publicKey": 7}, NO_STRING),
    "an object": ({"publicKey": {"kty": "OKP"}}, NO_STRING),
    "empty": ({"publicKey": ""}, "publicKey is empty; give a key of at least one character."),
    "U+0000": ({"publicKey": "a\0b"}, "publicKey holds the character U+0000; give a key without it."),
    "16,385 bytes": ({"publicKey": "k" * 16_385}, TOO_LONG),
    "16,385 bytes of emoji": ({"publicKey": "🙂" * 4_096 + "k"}, TOO_LONG),
}
KEY = BASE64


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


@pytest.mark.parametrize(("fields", "sentence"), BAD_KEYS.values(), ids=BAD_KEYS)
async def test_bad_key_is_invalid_and_the_broken_rule_is_named(
    alice: Person, fields: dict[str, Any], sentence: str
) -> None:
    await publishes(alice, KEY)
    await alice.send_raw(frame("PKD_REGISTER", {"clientId": alice.id, **fields}))
    assert (await alice.expects_error("INVALID_MESSAGE", "PKD_REGISTER"))["message"] == sentence
    await finds(alice, alice.id, KEY)


async def test_key_with_half_a_surrogate_pair_is_invalid(alice: Person) -> None:
    payload = f'{{"clientId": "{alice.id}", "publicKey": "\\ud800"}}'
    await alice.send_raw(f'{{"type": "PKD_REGISTER", "payload": {payload}}}')
    await alice.expects_error("INVALID_MESSAGE")
    await finds(alice, alice.id, None)


@pytest.fixture(scope="module")
def unlimited() -> Iterator[RunningServer]:
    """A server that takes keys of any length."""
    with server(env=SHARED | {"LIMIT_PUBLIC_KEY_BYTES": "0"}) as running:
        yield running


@pytest.mark.parametrize("character", ["k", "\x01", "\n", "\\", '"', "\x7f", "\x85", "\u2028", "🙂"])
async def test_key_that_fills_a_message_is_answered_in_no_longer_one(
    join: Join, unlimited: RunningServer, character: str
) -> None:
    alice = await join("alice", unlimited)
    empty = shortest("PKD_REGISTER", clientId=alice.id, publicKey="")
    taken = len(shortest("PKD_REGISTER", clientId=alice.id, publicKey=character).encode()) - len(empty)
    key = character * ((MAX_FRAME_BYTES - len(empty)) // taken)
    await alice.send_raw(shortest("PKD_REGISTER", clientId=alice.id, publicKey=key))
    await alice.send("PKD_LOOKUP", clientId=alice.id)
    for _ in range(2):
        answer = await alice.connection.recv()
        assert isinstance(answer, str)
        assert MAX_FRAME_BYTES - 10 <= len(answer.encode()) <= MAX_FRAME_BYTES
        assert json.loads(answer)["payload"] == {"clientId": alice.id, "publicKey": key}


async def test_length_of_a_key_is_a_setting(join: Join) -> None:
    with server(env=SHARED | {"LIMIT_PUBLIC_KEY_BYTES": "100"}) as running:
        alice = await join("alice", running)
        await publishes(alice, "é" * 50)
        await alice.send("PKD_REGISTER", clientId=alice.id, publicKey="é" * 50 + "k")
        error = await alice.expects_error("INVALID_MESSAGE", "PKD_REGISTER")
        assert error["message"] == "publicKey is 101 bytes long in UTF-8; give a key of at most 100 bytes."


def shortest(message_type: str, **payload: str) -> str:
    """A message without anything that JSON could do without."""
    return json.dumps({"type": message_type, "payload": payload}, ensure_ascii=False, separators=(",", ":"))


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


async def test_what_was_answered_outlives_the_server(database: Path) -> None:
    env = {"DATABASE_URL": f"sqlite:///{database}"}
    for end in (signal.SIGTERM, signal.SIGKILL):
        with server(env=env) as running:
            async with Person(running.ws_url, "alice") as alice:
                await alice.registers()
                await finds(alice, "alice", None if end == signal.SIGTERM else f"{KEY} at {signal.SIGTERM}")
                await publishes(alice, f"old at {end}")
                await publishes(alice, f"{KEY} at {end}")
                running.signal(end)
                await asyncio.to_thread(running.wait)
    with server(env=env) as running:
        async with Person(running.ws_url, "bob") as bob:
            await bob.registers()
            await finds(bob, "alice", f"{KEY} at {signal.SIGKILL}")


@dataclass(frozen=True)
class Kept:
    """A server, and the file that is its database."""

    ws_url: str
    database: Path


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    database = Path(shutil.copy(database_template(), tmp_path_factory.mktemp("directory") / "kept.sqlite3"))
    with server(env={"DATABASE_URL": f"sqlite:///{database}"}) as running:
        yield Kept(running.ws_url, database)


async def test_every_change_is_kept_and_nothing_else(kept: Kept) -> None:
    before = rows(kept.database, "SELECT client_id FROM pkd_publickey")
    async with Person(kept.ws_url, "ann") as ann:
        await ann.registers()
        for key in ("first", "first", "second", "second", "first"):
            await publishes(ann, key)
        await finds(ann, "nobody", None)
    first, second = (hashlib.sha256(key.encode()).hexdigest() for key in ("first", "second"))
    history = rows(
        kept.database,
        "SELECT old_fingerprint, new_fingerprint FROM pkd_keychange JOIN pkd_publickey ON key_id = pkd_publickey.id "
        "WHERE client_id = 'ann' ORDER BY pkd_keychange.id",
    )
    assert [(old or None, new) for old, new in history] == [(None, first), (first, second), (second, first)]
    after = rows(kept.database, "SELECT client_id, public_key, fingerprint FROM pkd_publickey")
    assert [row for row in after if row[:1] not in before] == [("ann", "first", first)]


def frozen(database: Path, client_id: str) -> None:
    """Freeze a client ID, as an operator does in the admin."""
    decide = (
        "import django; django.setup();"
        "from pkd.models import PublicKey; from pkd.decisions import FREEZE;"
        f"FREEZE.decide(PublicKey.objects.get(client_id='{client_id}'), 'olga', 'vip')"
    )
    env = environment(database, {"DJANGO_SETTINGS_MODULE": "securecall_site.settings"})
    subprocess.run([sys.executable, "-c", decide], cwd=ROOT, env=env, check=True)


async def test_frozen_key_cannot_change(kept: Kept) -> None:
    async with Person(kept.ws_url, "fay") as fay:
        await fay.registers()
        await publishes(fay, KEY)
        await asyncio.to_thread(frozen, kept.database, "fay")
        await fay.send("PKD_REGISTER", clientId="fay", publicKey="another")
        error = await fay.expects_error("INVALID_MESSAGE", "PKD_REGISTER")
        assert error["message"] == "Ask an operator if your key has to change: this key is frozen."
        await publishes(fay, KEY)
        await finds(fay, "fay", KEY)


async def test_database_that_is_away_means_try_again(kept: Kept) -> None:
    async with Person(kept.ws_url, "alice") as alice, Person(kept.ws_url, "bob") as bob:
        await alice.registers()
        await bob.registers()
        await publishes(alice, KEY)
        rows(kept.database, "ALTER TABLE pkd_publickey RENAME TO away")
        try:
            await alice.send("PKD_REGISTER", clientId="alice", publicKey="newer")
            await alice.expects_error("RATE_LIMITED", "PKD_REGISTER")
            await alice.send("PKD_LOOKUP", clientId="alice")
            await alice.expects_error("RATE_LIMITED", "PKD_LOOKUP")
            # Calls need no database.
            await alice.talks_to(bob)
        finally:
            rows(kept.database, "ALTER TABLE away RENAME TO pkd_publickey")
        await finds(bob, "alice", KEY)
        await publishes(alice, "newer")
