"""A database as the commit before the apps moved into their rooms leaves it; `before_the_rooms/make` names the commit.

The SQL files are that commit's own tables and rows, so that an upgrade is tried without running old code: three
operators in groups and with permissions of their own, what they did, their sessions, tokens and second factors, and
three clients with their history.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

DUMPS = Path(__file__).with_name("before_the_rooms")
# Which the sessions in it are signed with.
SECRET_KEY = "the same key in each process"  # made up for the test

Row = dict[str, Any]


def restore(url: str) -> None:
    """Fill the empty database of `url`, SQLite's or Postgres'."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.executescript((DUMPS / "sqlite.sql").read_bytes().decode())
        return
    with psycopg.connect(url) as connection:
        connection.execute((DUMPS / "postgres.sql").read_bytes())


def tables(url: str) -> dict[str, list[Row]]:
    """Read every row of every table."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as lite:
            lite.row_factory = sqlite3.Row
            listed = lite.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
            names = [row["name"] for row in listed]
            return {name: [dict(row) for row in lite.execute(f'SELECT * FROM "{name}"')] for name in names}  # noqa: S608
    with psycopg.connect(url, row_factory=dict_row) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        names = [row["tablename"] for row in found]
        return {name: list(connection.execute(f'SELECT * FROM "{name}"'.encode())) for name in names}  # noqa: S608
