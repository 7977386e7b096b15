"""The people of TRUST.md's vectors, and a database in which their statements are logged."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection

from pkd import statements
from pkd.acceptance import Offered, accept
from pkd.keys import base64url
from pkd.models import Statement
from pkd.statements import Signatures
from pkd.tests.test_append_only_statements import erase_all
from tests.support.vectors import load
from transparency.guard import Tree
from transparency.keys import LogKeys, current
from transparency.log import Appender

TRUST = load("trust")
BEGAN = datetime.fromtimestamp(1_790_000_000, UTC)
CHECKPOINT_AT = 1_790_000_010
ALICE_2 = TRUST["identities"]["alice2"]
PUBLIC_KEYS = [TRUST["identities"]["alice1"], "opaque key of bob", ALICE_2]
MIGRATION = import_module("transparency.migrations.0002_entries_stay")
TABLES = ("piece", "entry", "log")


def empty_log() -> None:
    """Empty the tables; the database refuses it while the triggers are there."""
    with connection.cursor() as cursor:
        for step in MIGRATION.DROP[connection.vendor]:
            cursor.execute(step)
        for table in TABLES:
            cursor.execute(f"DELETE FROM transparency_{table}")  # noqa: S608
        for step in MIGRATION.CREATE[connection.vendor]:
            cursor.execute(step)


def set_keys(settings: Any, *, vrf_seed: str = TRUST["vrfSeed"]) -> None:
    settings.DIRECTORY_NAME = TRUST["directory"]
    settings.LOG_KEY = base64url(bytes.fromhex(TRUST["logSeed"]))
    settings.LOG_VRF_KEY = base64url(bytes.fromhex(vrf_seed))


@pytest.fixture
def keys(transactional_db: None, settings: LazySettings) -> Iterator[LogKeys]:  # noqa: ARG001
    """The keys of the log of the vectors, which is empty."""
    set_keys(settings)
    found = current()
    assert found is not None
    yield found
    empty_log()
    erase_all()


def offered(number: int) -> Offered:
    text, signatures = TRUST["statements"][number]
    return Offered(PUBLIC_KEYS[number], statements.parse(text), Signatures(**signatures), is_registered=True)


def accepts(keys: LogKeys | None, number: int, kept: Tree | None = None, at: datetime | None = None) -> None:
    """Accept a statement of the vectors at its time, or another one."""

    def save(statement: Statement) -> None:
        statement.at = at or BEGAN + timedelta(seconds=number)
        (Statement.save if keys is None else Appender(keys, kept))(statement)

    accept(offered(number), lambda: 0, save=save)
