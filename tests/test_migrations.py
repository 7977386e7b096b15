"""Migrations of a database that is in use: what it holds stays, and what is new has room."""

import asyncio
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pkd.tests.samples import KEYS
from tests.conftest import SHARED
from tests.support.office import sign_in
from tests.support.people import Person
from tests.support.servers import ROOT, environment, migrate, server
from tests.support.services import new_database

LIST = "/admin/pkd/publickey/"
# What the program before took: up to 8,192 characters without line ends.
OLD_KEYS = {"alice": "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=", "bob": "🙂" * 8_192}
FILL = """
import json, sys, django; django.setup()
from django.db import connection
at = "2026-01-31 15:04:05+00:00"
with connection.cursor() as cursor:
    for row in json.load(sys.stdin):
        cursor.execute(
            "INSERT INTO pkd_publickey (client_id, public_key, fingerprint, first_seen, last_change, changes) "
            "VALUES (%s, %s, %s, %s, %s, 0)", [*row, at, at])
        cursor.execute(
            "INSERT INTO pkd_keychange (key_id, at, kind, who, old_fingerprint, new_fingerprint, reason) "
            "SELECT id, %s, 'published', 'client', '', fingerprint, '' FROM pkd_publickey WHERE client_id = %s",
            [at, row[0]])
"""


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'db.sqlite3'}"
        return
    with new_database(request.getfixturevalue("postgres_url")) as url:
        yield url


def fill(env: dict[str, str], rows: list[tuple[str, str, str]]) -> None:
    django = env | {"DJANGO_SETTINGS_MODULE": "securecall_site.settings"}
    subprocess.run([sys.executable, "-c", FILL], cwd=ROOT, check=True, env=django, input=json.dumps(rows), text=True)


async def test_directory_of_short_keys_takes_keys_of_many_lines(empty: str, tmp_path: Path) -> None:
    settings = SHARED | {"DEBUG": "1", "SECRET_KEY": "the same key in each process", "DATABASE_URL": empty}
    env = environment(tmp_path, settings)
    migrate(env, "pkd", "0003_groups")
    rows = [(client_id, key, hashlib.sha256(key.encode()).hexdigest()) for client_id, key in OLD_KEYS.items()]
    fill(env, rows)
    migrate(env)
    cookie = {"Cookie": f"sessionid={sign_in(env)}"}
    with server(env=settings) as running:
        async with Person(running.ws_url, "carol") as carol:
            await carol.registers()
            for client_id, key in OLD_KEYS.items():
                await carol.send("PKD_LOOKUP", clientId=client_id)
                await carol.expects("PKD_RESULT", publicKey=key)
            for key in KEYS.values():
                await carol.send("PKD_REGISTER", clientId="carol", publicKey=key)
                await carol.expects("PKD_RESULT", publicKey=key)
                status, answer = await asyncio.to_thread(running.get, "/api/keys/carol/", cookie)
                assert (status, json.loads(answer)["publicKey"]) == (200, key)
        _, exported = await asyncio.to_thread(running.get, f"{LIST}export/jsonl/?o=1", cookie)
    lines = [json.loads(line) for line in exported.removesuffix("\n").split("\n")]
    keys = {line["clientId"]: (line["publicKey"], len(line["history"])) for line in lines}
    assert keys == {client_id: (key, 1) for client_id, key in OLD_KEYS.items()} | {
        "carol": (list(KEYS.values())[-1], len(KEYS))
    }
