"""What a roll call asks of other processes."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from signaling.cluster.node import Node
from signaling.cluster.roll_call import RollCall
from signaling.tests.people import Person
from signaling.tests.stage import RedisProcess, redis_process

Join = Callable[..., Awaitable[Person]]


@pytest.fixture
async def elsewhere(on_redis: Node, redis_url: str, prefix: str) -> AsyncIterator[RedisProcess]:
    """Another process, from which an operator asks."""
    assert on_redis.cluster.is_up
    async with redis_process(redis_url, prefix) as process:
        yield process


async def test_other_process_is_asked(on_redis: Node, elsewhere: RedisProcess, join: Join) -> None:
    alice = await (await join()).register("alice")
    roll_call = RollCall(elsewhere.layer, set())
    processes = await elsewhere.registry.processes()
    assert processes == {on_redis.layer.process: 1, elsewhere.layer.process: 0}
    found = await roll_call.find(processes, "ali", 10)
    assert [(client.client_id, client.process) for client in found.clients] == [("alice", on_redis.layer.process)]
    assert (await roll_call.disconnect(processes, "alice")).was_connected
    await alice.expects_close(4503)
