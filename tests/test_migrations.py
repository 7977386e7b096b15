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
from tests.support.servers import ROOT, environment, server
from tests.support.services import new_database
from tests.support.upgrade import SECRET_KEY, Row, restore, tables

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

# What a later version may add rows to; in every other table an upgrade leaves the rows that there are.
GROWING = {"django_migrations", "django_content_type", "auth_permission", "auth_group", "auth_group_permissions"}
STALE = """
import django; django.setup()
from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
declared = {
    (model._meta.label_lower, codename)
    for model in apps.get_models()
    for codename in [
        *(f"{action}_{model._meta.model_name}" for action in model._meta.default_permissions),
        *(codename for codename, _ in model._meta.permissions),
    ]
}
print(*[kind for kind in ContentType.objects.all() if kind.model_class() is None])
print(*[
    permission for permission in Permission.objects.select_related("content_type")
    if (f"{permission.content_type.app_label}.{permission.content_type.model}", permission.codename) not in declared
])
"""


# Deploys are on Postgres.
@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.long), "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'db.sqlite3'}"
        return
    with new_database(request.getfixturevalue("postgres_url")) as url:
        yield url


def migrate(env: dict[str, str], *target: str) -> None:
    command = [sys.executable, "manage.py", "migrate", "--skip-checks", "--verbosity", "0", *target]
    subprocess.run(command, cwd=ROOT, check=True, env=env)


def run_script(env: dict[str, str], script: str, read: str = "") -> str:
    """Run Python code that uses the models; returns what it printed."""
    django = env | {"DJANGO_SETTINGS_MODULE": "securecall_site.settings"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, check=True, env=django, input=read, stdout=subprocess.PIPE, text=True)
    return done.stdout


def columns_of(before: list[Row], after: list[Row]) -> list[Row]:
    """Leave out the columns that came since."""
    return [{column: row[column] for column in before[0]} for row in after]


async def test_directory_of_short_keys_takes_keys_of_many_lines(empty: str, tmp_path: Path) -> None:
    settings = SHARED | {"DEBUG": "1", "SECRET_KEY": "the same key in each process", "DATABASE_URL": empty}
    env = environment(tmp_path, settings)
    migrate(env, "pkd", "0003_groups")
    rows = [(client_id, key, hashlib.sha256(key.encode()).hexdigest()) for client_id, key in OLD_KEYS.items()]
    run_script(env, FILL, json.dumps(rows))
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


def test_upgrade_from_before_the_apps_moved_loses_and_doubles_nothing(empty: str, tmp_path: Path) -> None:
    restore(empty)
    before = tables(empty)
    env = environment(tmp_path, {"DEBUG": "1", "DATABASE_URL": empty})
    migrate(env)
    after = tables(empty)
    assert before.keys() <= after.keys()
    for name, rows in before.items():
        kept = columns_of(rows, after[name]) if rows else after[name]
        assert [row for row in rows if row not in kept] == [], name
        assert name in GROWING or len(kept) == len(rows), name
    # A label or a permission that changed would leave the old one behind, and a second one beside it.
    assert run_script(env, STALE).split() == []


def test_operators_go_on_after_an_upgrade_from_before_the_apps_moved(empty: str, tmp_path: Path) -> None:
    restore(empty)
    settings = {"DEBUG": "1", "SECRET_KEY": SECRET_KEY, "DATABASE_URL": empty}
    migrate(environment(tmp_path, settings))
    with server(env=settings) as running:

        def page(name: str, path: str) -> tuple[int, str]:
            return running.get(path, {"Cookie": f"sessionid=session-of-{name}"})

        status, listed = page("vera", LIST)
        assert (status, "revoke_selected" in listed) == (200, False)
        status, listed = page("oscar", LIST)
        assert (status, "revoke_selected" in listed, "freeze_selected" in listed) == (200, True, True)
        status, exported = page("nora", f"{LIST}export/jsonl/?o=1")
        lines = [json.loads(line) for line in exported.split("\n")[:-1]]
        assert [(line["clientId"], len(line["history"])) for line in lines] == [("alice", 2), ("bob", 4), ("admin", 1)]
        # Of one group she may see keys, of herself calls; of presence nothing.
        assert page("nora", "/admin/console/call/")[0] == 200
        assert page("nora", "/admin/console/presence/")[0] == 403
        log = page("oscar", "/admin/")[1]
        assert [client_id in log for client_id in ("bob", "carol", "call-1")] == [True] * 3
        status, answer = running.get("/api/keys/alice/", {"Authorization": "Token token-of-vera"})
        key = "-----BEGIN KEY-----\r\nsecond\r\n-----END KEY-----\r\n"
        assert (status, json.loads(answer)["publicKey"]) == (200, key)
