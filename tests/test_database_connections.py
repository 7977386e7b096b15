"""The server's connections to Postgres: a known number at most, and the directory's one when requests have gone."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString

import psycopg
import pytest

from tests.conftest import SHARED, Join
from tests.support.office import sign_in
from tests.support.people import Person
from tests.support.servers import Kind, RunningServer, environment, eventually, migrate, server
from tests.support.services import new_database

REQUESTS = 6
# docs/settings.md: DATABASE_CONNECTIONS, of which one is the directory's.
MOST = 8
SECONDS = 20

ANONYMOUS = "sessionid=abcdefghijklmnopqrstuvwxyz123456"
PAGE, LIST, API = "/admin/", "/admin/pkd/publickey/", "/api/keys/"
EXPORT = f"{LIST}export/csv/"
# daphne cancels an application that outlives its connection by this.
IMPATIENT = ("--application-close-timeout", "1")
CANCELLED = "cancelling an application that outlived its connection"

# What the test's own connections are called; Postgres knows a closed one for a moment longer.
OURSELVES = "the test"
CONNECTED: LiteralString = """
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name <> %s
"""
WAITING: LiteralString = f"{CONNECTED} AND wait_event_type = 'Lock'"


@dataclass(frozen=True)
class Site:
    """A server on a Postgres database of its own, and the cookie of an operator who is signed in."""

    running: RunningServer
    database_url: str
    operator: str

    def connections(self, *, waiting: bool = False) -> set[int]:
        """The server's connections to its database, by the process that serves each; those that wait for a lock."""
        with self._asks() as connection:
            rows = connection.execute(WAITING if waiting else CONNECTED, [OURSELVES]).fetchall()
        return {pid for (pid,) in rows}

    @contextmanager
    def locked(self, table: LiteralString) -> Iterator[None]:
        """Lock a table: all that reads it waits while the block runs."""
        with self._asks() as connection:
            connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield

    def _asks(self) -> psycopg.Connection[tuple[int]]:
        return psycopg.connect(self.database_url, application_name=OURSELVES)


@pytest.fixture(scope="module", params=["ours", pytest.param("uvicorn", marks=pytest.mark.long)])
def site(request: pytest.FixtureRequest, postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    kind: Kind = request.param
    with new_database(postgres_url) as url:
        env = SHARED | {"DEBUG": "1", "SECRET_KEY": "the same key in each process", "DATABASE_URL": url}
        variables = environment(tmp_path_factory.mktemp("unused"), env)
        migrate(variables)
        with server(kind, env=env, options=IMPATIENT if kind == "ours" else ()) as running:
            yield Site(running, url, f"sessionid={sign_in(variables)}")


@pytest.fixture
async def directory(site: Site, join: Join) -> AsyncIterator[int]:
    """The directory's connection, in use before a page is asked for; it is the same one afterwards."""
    alice = await join("alice", site.running)
    await publishes(alice, "before")
    kept = await the_only_one(site)
    yield kept
    await publishes(alice, "afterwards")
    assert await the_only_one(site) == kept


async def publishes(person: Person, key: str) -> None:
    await person.send("PKD_REGISTER", clientId=person.id, publicKey=key)
    await person.expects("PKD_RESULT", publicKey=key)


async def the_only_one(site: Site) -> int:
    """Wait until the server has one connection; Postgres names one that was closed for a moment longer."""

    def look() -> int | None:
        open_now = site.connections()
        return open_now.pop() if len(open_now) == 1 else None

    return await asyncio.to_thread(eventually, look, lambda: f"{len(site.connections())} connections are open", SECONDS)


async def only(site: Site, directory: int) -> None:
    """Wait until the server has closed every connection but the directory's."""

    def look() -> bool | None:
        return site.connections() == {directory} or None

    def failure() -> str:
        return f"{len(site.connections())} connections are open"

    await asyncio.to_thread(eventually, look, failure, SECONDS)


ASKED = {
    "a stranger's page": (PAGE, ANONYMOUS, 302),
    "an operator's page": (LIST, "operator", 200),
    "a stranger at the API": (API, ANONYMOUS, 401),
    "an operator at the API": (API, "operator", 200),
    "a stream": (EXPORT, "operator", 200),
    "a view without a database": ("/health", ANONYMOUS, 200),
    "an asynchronous view": ("/metrics", ANONYMOUS, 404),
}


@pytest.mark.parametrize(("path", "cookie", "status"), ASKED.values(), ids=ASKED)
async def test_request_leaves_no_connection(site: Site, directory: int, path: str, cookie: str, status: int) -> None:
    headers = {"Cookie": site.operator if cookie == "operator" else cookie}
    for _ in range(REQUESTS):
        answer, _ = await asyncio.to_thread(site.running.get, path, headers)
        assert answer == status
    await only(site, directory)


ABANDONED = {
    "a stranger's page": (PAGE, ANONYMOUS, "django_session"),
    "an operator's page": (LIST, "operator", "pkd_publickey"),
    "an operator at the API": (API, "operator", "pkd_publickey"),
    "a stream after its first line": (EXPORT, "operator", "pkd_keychange"),
}
abandoned = pytest.mark.parametrize(("path", "cookie", "table"), ABANDONED.values(), ids=ABANDONED)


@abandoned
async def test_abandoned_request_leaves_no_connection(
    site: Site, directory: int, path: str, cookie: str, table: str
) -> None:
    with site.locked(table):
        await abandon(site, directory, path, cookie)
    await only(site, directory)


@abandoned
@pytest.mark.parametrize("site", ["ours"], indirect=True)
async def test_cancelled_request_leaves_no_connection(
    site: Site, directory: int, path: str, cookie: str, table: str
) -> None:
    before = site.running.log.count(CANCELLED)
    with site.locked(table):
        await abandon(site, directory, path, cookie)
        await asyncio.to_thread(
            eventually,
            lambda: site.running.log.count(CANCELLED) >= before + REQUESTS or None,
            lambda: site.running.log,
            SECONDS,
        )
    await only(site, directory)


async def asked(site: Site, path: str, cookie: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for a page; returns the connection."""
    reader, writer = await asyncio.open_connection(site.running.host, site.running.port)
    head = (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {site.operator if cookie == 'operator' else cookie}\r\n\r\n"
    )
    writer.write(head.encode())
    return reader, writer


async def abandon(site: Site, directory: int, path: str, cookie: str) -> None:
    """Ask for a page many times, and hang up on each once the database lets it wait."""
    connections = [await asked(site, path, cookie) for _ in range(REQUESTS)]

    def waiting() -> int:
        # The directory looks for news of owners now and then, and may wait for the table, too.
        return len(site.connections(waiting=True) - {directory})

    try:
        for reader, _ in connections:
            if path == EXPORT:
                await reader.readuntil(b"clientId,publicKey")
        await asyncio.to_thread(
            eventually,
            lambda: waiting() == REQUESTS or None,
            lambda: f"{waiting()} requests wait for the database",
            SECONDS,
        )
    finally:
        for _, writer in connections:
            writer.close()
            await writer.wait_closed()


async def test_connections_are_bounded_under_any_mix_of_requests(site: Site, directory: int, join: Join) -> None:
    opened = []
    with site.locked("django_session, pkd_publickey"):
        for path, cookie in [(PAGE, ANONYMOUS), (LIST, "operator"), (API, "operator"), (EXPORT, "operator")] * 10:
            opened.append(await asked(site, path, cookie))
        await asyncio.to_thread(
            eventually,
            lambda: len(site.connections(waiting=True) - {directory}) == MOST - 1 or None,
            lambda: f"{len(site.connections(waiting=True))} requests wait for the database",
            SECONDS,
        )
        # Some give up, and others take their place.
        for _, writer in opened[::2]:
            writer.close()
        assert await asyncio.to_thread(site.running.is_healthy)
        alice = await join("alice", site.running)
        await alice.send("HEARTBEAT")
        await alice.expects("HEARTBEAT_ACK")
        assert len(site.connections()) <= MOST
    for reader, writer in opened[1::2]:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
    assert len(site.connections()) <= MOST
    await only(site, directory)
