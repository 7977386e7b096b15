"""Redis goes away and comes back: what clients see, and what is left of it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import SHARED, Join
from tests.support.people import is_admitted
from tests.support.servers import RunningServer, server
from tests.support.services import RedisServer

MOST = 3


@contextmanager
def away(redis: RedisServer, how: str) -> Iterator[None]:
    """Redis is stopped, and comes back empty; or it hangs, and comes back as it was."""
    (redis.stop if how == "stopped" else redis.hang)()
    try:
        yield
    finally:
        (redis.start if how == "stopped" else redis.go_on)()


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
