"""An owned client ID is given to nobody unsigned, whatever is away; who knows only the reference goes on."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from pkd.tests.owners import DIRECTORY, Identity, first, signed
from securecall_client import Connection, ErrorCode, RequestError
from tests.conftest import SHARED, Join
from tests.support.people import Person
from tests.support.servers import RunningServer, environment, migrate, server
from tests.support.services import PostgresServer, RedisServer, new_database

ALICE = Identity("alice 1")


@pytest.fixture
def env(shared_postgres: PostgresServer, own_redis: RedisServer, tmp_path: Path) -> Iterator[dict[str, str]]:
    # Not the database of all tests: with statements in it no server starts under another name.
    with new_database(shared_postgres.url) as url:
        env = {"DATABASE_URL": url, "REDIS_URL": own_redis.url, "DIRECTORY_NAME": DIRECTORY}
        migrate(environment(tmp_path / "db.sqlite3", env))
        yield env


async def claims(person: Person) -> None:
    statement = first(ALICE, client_id=person.id)
    signatures = {"identity": signed(statement, ALICE).identity}
    payload = {"clientId": person.id, "publicKey": ALICE.public, "statement": statement.text, "signatures": signatures}
    await person.send("PKD_REGISTER", **payload)
    await person.expects("PKD_RESULT", status="signed")


async def is_challenged(person: Person, client_id: str) -> str:
    await person.send("REGISTER", clientId=client_id)
    challenge: str = (await person.expects("ERROR", code="NOT_REGISTERED"))["challenge"]
    return challenge


async def signs_in(running: RunningServer, client_id: str) -> None:
    """Register as the owner, as often as the server says that it is to be tried again."""
    connection = await Connection.open(running.ws_url)
    while True:
        try:
            await connection.register(client_id, ALICE)
        except RequestError as refused:
            if refused.code != ErrorCode.RATE_LIMITED or refused.retry_after is None:
                raise
            await asyncio.sleep(refused.retry_after)
        else:
            await connection.close()
            return


async def owners_are_restored(redis: RedisServer) -> None:
    """Wait until Redis, which lost everything, has all owners again."""
    with Redis.from_url(redis.url) as control:
        while not control.exists("securecall-registry:owned"):
            await asyncio.sleep(0.05)


async def test_owned_id_stays_its_owners_whatever_is_away(
    env: dict[str, str], shared_postgres: PostgresServer, own_redis: RedisServer, join: Join
) -> None:
    with server(env=SHARED | env) as here:
        alice = await join("alice", here)
        await claims(alice)
        own_redis.stop()
        own_redis.start()
        await is_challenged(await join("stranger", here, registered=False), alice.id)
        await alice.close()
        await signs_in(here, alice.id)
        await owners_are_restored(own_redis)
        shared_postgres.stop()
        try:
            await is_challenged(await join("stranger", here, registered=False), alice.id)
            await join("reference", here)
            await signs_in(here, alice.id)
            # A process that starts now knows of no owner but what Redis says.
            with server(env=SHARED | env) as there:
                late = await join("late", there, registered=False)
                await late.send("REGISTER", clientId=alice.id)
                await late.expects_error("RATE_LIMITED", "REGISTER")
                await join("reference", there)
                own_redis.stop()
                own_redis.start()
                for client_id in (alice.id, late.id):
                    await late.send("REGISTER", clientId=client_id)
                    await late.expects_error("RATE_LIMITED", "REGISTER")
        finally:
            shared_postgres.start()
