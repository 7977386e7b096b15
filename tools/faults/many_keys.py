"""A directory of a real size as release 0.1.0 leaves it: the rows that so many publications would have left.

One key in twenty was changed since, one in a thousand is revoked, and one in two thousand client IDs is frozen.
"""

import base64
import contextlib
import itertools
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

import psycopg

from tools.faults import bulk

AT_ONCE = 20_000
CHANGED_EVERY, REVOKED_EVERY, FROZEN_EVERY = 20, 1000, 2000
# The first bytes of a P-256 key as SubjectPublicKeyInfo: the others are made up.
KEY_HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
COLUMNS = {
    "pkd_publickey": "id client_id public_key fingerprint first_seen last_change changes revoked_at frozen_at",
    "pkd_keychange": "id key_id at kind who old_fingerprint new_fingerprint reason",
}

Row = tuple[object, ...]


class Key(NamedTuple):
    """A key of the directory, and its fingerprint."""

    text: str
    fingerprint: str


def id_of(number: int) -> str:
    """Return the client ID of a member of the directory."""
    return f"member-{number}"


def key_of(number: int, version: int = 0) -> Key:
    """Return one of a member's keys."""
    digest = sha256(b"%d %d" % (number, version)).digest()
    text = base64.b64encode(KEY_HEAD + digest + digest).decode()
    return Key(text, sha256(text.encode()).hexdigest())


def fill(url: str, size: int) -> None:
    """Write a directory of `size` keys into an empty database that 0.1.0 has migrated."""
    write = _into_postgres if url.startswith("postgres") else _into_sqlite
    write(url, _batches(size))


def _batches(size: int) -> Iterator[dict[str, list[Row]]]:
    """Make the rows of each table, some at a time; keys come within the last year, in the order of their numbers."""
    began, step = datetime.now(UTC) - timedelta(days=365), timedelta(days=365) / (size + 1)
    change_ids = itertools.count(1)
    for start in range(0, size, AT_ONCE):
        keys, changes = [], []
        for number in range(start, min(start + AT_ONCE, size)):
            key, its_changes = _rows(number, began + number * step)
            keys.append(key)
            changes += [(next(change_ids), *change) for change in its_changes]
        yield {"pkd_publickey": keys, "pkd_keychange": changes}


def _rows(number: int, at: datetime) -> tuple[Row, list[Row]]:
    """Return a member's row, and the rows of its history without their primary keys."""
    row, first = number + 1, key_of(number)
    changes: list[Row] = [(row, at, "published", "client", "", first.fingerprint, "")]
    current, revoked_at, frozen_at = first, None, None
    if number % CHANGED_EVERY == 0:
        current = key_of(number, 1)
        changes.append((row, at, "changed", "client", first.fingerprint, current.fingerprint, ""))
    if number % REVOKED_EVERY == 0:
        revoked_at = at
        changes.append((row, at, "revoked", "olga", current.fingerprint, "", "The phone was stolen."))
    if number % FROZEN_EVERY == 0:
        frozen_at = at
        changes.append((row, at, "frozen", "olga", current.fingerprint, current.fingerprint, "The phone was stolen."))
    counted = sum(kind in {"changed", "revoked"} for _, _, kind, *_ in changes)
    return (row, id_of(number), *current, at, at, counted, revoked_at, frozen_at), changes


def _into_postgres(url: str, batches: Iterator[dict[str, list[Row]]]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for batch in batches:
            bulk.copy(connection, COLUMNS, {table: [bulk.line(*row) for row in rows] for table, rows in batch.items()})
        bulk.end(connection, COLUMNS)


def _into_sqlite(url: str, batches: Iterator[dict[str, list[Row]]]) -> None:
    with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        for batch in batches:
            for table, rows in batch.items():
                names = COLUMNS[table].split()
                places = ", ".join("?" * len(names))
                command = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})"  # noqa: S608 -- names of ours
                connection.executemany(command, map(_as_django_writes, rows))
            connection.commit()


def _as_django_writes(row: Row) -> Sequence[object]:
    """Write times as Django does in SQLite: UTC without its zone."""
    return [value.replace(tzinfo=None).isoformat(" ") if isinstance(value, datetime) else value for value in row]
