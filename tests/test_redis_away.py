"""Redis goes away and comes back: what clients see, and what is left of it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from tests.conftest import SHARED, Join
from tests.support.people import is_admitted
from tests.support.scrape import TOKEN, figures
from tests.support.servers import RunningServer, server
from tests.support.services import RedisServer

MOST = 3


@contextmanager
def away(server_of_redis: RedisServer, how: str) -> Iterator[None]:
    """Redis is stopped, and comes back empty; or it hangs, and comes back as it was."""
    (server_of_redis.stop if how == "stopped" else server_of_redis.hang)()
    try:
        yield
    finally:
        (server_of_redis.start if how == "stopped" else server_of_redis.go_on)()


@pytest.mark.parametrize("how", ["stopped", "hanging"])
async def test_connections_of_an_address_are_counted_right_after_redis_was_away(
    own_redis: RedisServer, join: Join, how: str
) -> None:
    limits = {"LIMIT_CONNECTIONS_PER_IP": str(MOST), "REDIS_URL": own_redis.url}
    with server(env=SHARED | limits) as running:
        before = [await join("before", running) for _ in range(MOST)]
        with away(own_redis, how):
            await running.logged("Redis is away")
            # Nobody counts, so nobody is turned away; and nobody hears of those who leave.
            during = [await join("during", running, registered=False) for _ in range(MOST - 1)]
            assert all([await is_admitted(client) for client in during])
            for person in before:
                await person.close()
        await running.logged("Redis is back")
        # Those of before are gone, and those of meanwhile are counted.
        await admits(join, running, 1)
        for client in during:
            await client.close()
        await admits(join, running, MOST)


@pytest.mark.parametrize("how", ["stopped", "hanging"])
async def test_calls_are_listed_while_redis_is_away_and_after(own_redis: RedisServer, join: Join, how: str) -> None:
    with server(env=SHARED | {"REDIS_URL": own_redis.url}) as running:
        alice, bob = await join("alice", running), await join("bob", running)
        call_id = await alice.talks_to(bob)
        listed = [{"callId": call_id, "peerId": bob.id, "role": "caller", "state": "active"}]
        with away(own_redis, how):
            await running.logged("Redis is away")
            assert (await alice.register(alice.id))["calls"] == listed
        await running.logged("Redis is back")
        newer = await join("newer", running, registered=False)
        assert (await newer.register(alice.id))["calls"] == listed
        await newer.reaches(bob, call_id)


async def admits(join: Join, running: RunningServer, count: int) -> None:
    """Assert that exactly so many are admitted; they leave again. The server may need a moment to see a client go."""
    async with asyncio.timeout(5):
        while True:
            clients = [await join("after", running, registered=False) for _ in range(count + 1)]
            admitted = [await is_admitted(client) for client in clients]
            for client in clients:
                await client.close()
            if admitted == [True] * count + [False]:
                return
            assert sum(admitted) <= count, f"{sum(admitted)} were admitted, of {count}"


async def test_operator_is_told_when_redis_is_away_at_the_start_and_when_it_refuses_writes(
    own_redis: RedisServer,
) -> None:
    own_redis.stop()
    with server(env=SHARED | {"REDIS_URL": own_redis.url, "METRICS_TOKEN": TOKEN}) as running:
        # No client has come.
        await running.logged("Redis is away (ConnectionRefusedError)")
        own_redis.start()
        await running.logged("Redis is back")
        with redis.Redis.from_url(own_redis.url) as operator:
            operator.config_set("min-replicas-to-write", 3)
            await running.logged("Redis refuses commands (NOREPLICAS ")
            assert figures(running)["securecall_redis_writable"] == 0
            assert figures(running)["securecall_redis_up"] == 1
            operator.config_set("min-replicas-to-write", 0)
        await running.logged("Redis refuses no more commands with NOREPLICAS")
        assert figures(running)["securecall_redis_writable"] == 1
