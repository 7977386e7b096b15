"""The databases of a scenario, each with an older copy of itself."""

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.support.services import postgres_server


class Database(NamedTuple):
    """A database, and the place of an older copy of it."""

    name: str
    url: str
    older: str
    # Of Postgres: where databases are made.
    admin: str = ""

    def copy(self) -> None:
        """Make the older copy, while nobody has the database open."""
        if self.admin:
            with psycopg.connect(self.admin, autocommit=True) as connection:
                connection.execute("CREATE DATABASE older TEMPLATE log")
            return
        here, there = (url.removeprefix("sqlite:///") for url in (self.url, self.older))
        with contextlib.closing(sqlite3.connect(here)) as source, contextlib.closing(sqlite3.connect(there)) as target:
            source.backup(target)


@contextmanager
def on_sqlite() -> Iterator[Database]:
    """Name two files, which go with the block."""
    with TemporaryDirectory(prefix="securecall-databases-") as name:
        yield Database("SQLite", f"sqlite:///{name}/log.sqlite3", f"sqlite:///{name}/older.sqlite3")


@contextmanager
def on_postgres() -> Iterator[Database]:
    """Run a server while the block runs."""
    with postgres_server() as server:
        log, older = (urlunsplit(urlsplit(server.url)._replace(path=f"/{name}")) for name in ("log", "older"))
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE log")
        yield Database("Postgres", log, older, server.url)
