"""Postgres goes away and comes back: calls go on, and the directory answers nothing that is not so."""

import asyncio
import time
from collections.abc import Iterator

import psycopg
import pytest

from tests.conftest import SHARED, Join
from tests.support.people import Person
from tests.support.servers import RunningServer, environment, migrate, server
from tests.support.services import PostgresServer

# PROTOCOL.md lets the directory wait 5 s; the rest is the machine's.
ANSWER_SECONDS = 6.5
# A pooler may pass on what its server said as it went down, and keep the client's connection.
SHUTS_DOWN = """
CREATE FUNCTION shuts_down() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'going down' USING ERRCODE = '57P01'; END $$;
CREATE TRIGGER shuts_down BEFORE INSERT ON pkd_publickey EXECUTE FUNCTION shuts_down();
"""
GOES_ON = "DROP TRIGGER shuts_down ON pkd_publickey; DROP FUNCTION shuts_down()"
CONNECTED = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
END_WHO_WAITS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


@pytest.fixture(scope="module")
def on_postgres(shared_postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    env = {"DATABASE_URL": shared_postgres.url}
    nowhere = tmp_path_factory.mktemp("unused") / "db.sqlite3"
    migrate(environment(nowhere, env))
    with server(env=SHARED | env) as running:
        yield running


async def publishes(person: Person, key: str) -> None:
    await person.send("PKD_REGISTER", clientId=person.id, publicKey=key)
    assert await person.expects("PKD_RESULT") == {"clientId": person.id, "publicKey": key}


async def finds(person: Person, client_id: str, key: str | None) -> None:
    await person.send("PKD_LOOKUP", clientId=client_id)
    assert await person.expects("PKD_RESULT") == {"clientId": client_id, "publicKey": key}


@pytest.mark.parametrize("how", ["stopped", "hanging"])
async def test_directory_says_try_again_while_calls_go_on(
    on_postgres: RunningServer, shared_postgres: PostgresServer, join: Join, how: str
) -> None:
    alice, bob, carol, dave = [await join(name, on_postgres) for name in ("alice", "bob", "carol", "dave")]
    await publishes(alice, "kept")
    call_id = await carol.talks_to(dave)
    (shared_postgres.stop if how == "stopped" else shared_postgres.hang)()
    try:
        start = time.monotonic()
        await alice.send("PKD_REGISTER", clientId=alice.id, publicKey="refused")
        await bob.send("PKD_LOOKUP", clientId=alice.id)
        await carol.reaches(dave, call_id)
        await carol.talks_to(dave)
        await join("late", on_postgres)
        await alice.expects_error("RATE_LIMITED", "PKD_REGISTER", seconds=ANSWER_SECONDS)
        await bob.expects_error("RATE_LIMITED", "PKD_LOOKUP", seconds=ANSWER_SECONDS)
        assert time.monotonic() - start < ANSWER_SECONDS
        await carol.reaches(dave, call_id)
    finally:
        # Not in a thread, with whose end the kernel would end what it started.
        (shared_postgres.start if how == "stopped" else shared_postgres.go_on)()
    await on_postgres.logged("The database refuses to publish keys (")
    # What was refused did not happen, however late the database came to it.
    await finds(bob, alice.id, "kept")
    await publishes(alice, "newer")
    await finds(bob, alice.id, "newer")


async def test_connection_that_only_reads_is_left_for_a_new_one(
    on_postgres: RunningServer, shared_postgres: PostgresServer, join: Join
) -> None:
    alice = await join("alice", on_postgres)
    with psycopg.connect(shared_postgres.url, autocommit=True) as operator:
        # What a session begins with, as on a server that is a replica; one that has begun keeps it.
        operator.execute("ALTER ROLE CURRENT_USER SET default_transaction_read_only = on")
        try:
            operator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            await alice.send("PKD_REGISTER", clientId=alice.id, publicKey="refused")
            await alice.expects_error("RATE_LIMITED", "PKD_REGISTER", seconds=ANSWER_SECONDS)
            await on_postgres.logged("The database refuses to publish keys (25006 ReadOnlySqlTransaction)")
        finally:
            operator.execute("ALTER ROLE CURRENT_USER RESET default_transaction_read_only")
    await publishes(alice, "taken")
    await on_postgres.logged("The database no longer refuses to publish keys (25006 ReadOnlySqlTransaction)")


async def test_connection_that_the_database_ends_is_left_for_a_new_one(
    on_postgres: RunningServer, shared_postgres: PostgresServer, join: Join
) -> None:
    alice = await join("alice", on_postgres)
    await publishes(alice, "kept")
    with psycopg.connect(shared_postgres.url) as operator, psycopg.connect(shared_postgres.url, autocommit=True) as end:
        # The step waits for this table, in the middle of its transaction.
        operator.execute("LOCK TABLE pkd_publickey")
        await alice.send("PKD_REGISTER", clientId=alice.id, publicKey="refused")
        while not end.execute(END_WHO_WAITS).fetchall():
            await asyncio.sleep(0)
        await alice.expects_error("RATE_LIMITED", "PKD_REGISTER", seconds=ANSWER_SECONDS)
    await on_postgres.logged("The database refuses to publish keys (57P01 AdminShutdown)")
    await finds(alice, alice.id, "kept")
    await publishes(alice, "taken")
    await on_postgres.logged("The database no longer refuses to publish keys (57P01 AdminShutdown)")


async def test_connection_that_is_kept_to_a_server_that_goes_down_is_left(
    on_postgres: RunningServer, shared_postgres: PostgresServer, join: Join
) -> None:
    alice = await join("alice", on_postgres)
    await finds(alice, alice.id, None)
    with psycopg.connect(shared_postgres.url, autocommit=True) as operator:
        before = set(operator.execute(CONNECTED).fetchall())
        operator.execute(SHUTS_DOWN)
        try:
            await alice.send("PKD_REGISTER", clientId=alice.id, publicKey="refused")
            await alice.expects_error("RATE_LIMITED", "PKD_REGISTER", seconds=ANSWER_SECONDS)
        finally:
            operator.execute(GOES_ON)
        async with asyncio.timeout(ANSWER_SECONDS):
            while before <= set(operator.execute(CONNECTED).fetchall()):
                await asyncio.sleep(0)
    await publishes(alice, "taken")
