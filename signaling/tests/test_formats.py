"""The format number of what is in Redis, and of the processes that are there."""

import itertools
from collections.abc import AsyncIterator

import pytest
from pytest_django import Settings

from signaling.cluster import node
from signaling.cluster.node import Node
from signaling.delivery.events import FORMAT
from signaling.protocol.errors import UnavailableError
from signaling.registry.contract import Owner
from signaling.telemetry.counters import counters
from signaling.tests.stage import RedisProcess, redis_process, until, use_redis

numbers = itertools.count(1)


@pytest.fixture
async def on_redis(redis_url: str, prefix: str, settings: Settings) -> AsyncIterator[Node]:
    """The node of a process on the shared Redis."""
    use_redis(settings, redis_url, prefix)
    yield await node.current()
    await node.stop()


async def test_records_of_another_format_are_left_alone(
    process: RedisProcess, other: RedisProcess, caplog: pytest.LogCaptureFixture
) -> None:
    owner = Owner("one", "channel")
    await process.registry.claim("alice", owner)
    key = f"{process.layer.prefix}-registry:format"
    assert await other.link.call("GET", key) == str(FORMAT).encode()
    strange = f"{FORMAT + next(numbers)}"
    await other.link.call("SET", key, strange)
    before = await process.keys()
    for _ in range(3):
        for step in (
            process.registry.claim("bob", owner),
            process.registry.join("alice", owner),
            process.registry.release("alice", owner, [], hold=False),
            process.registry.renew_lease(0),
            process.registry.sweep(),
            process.registry.admit("here"),
            process.registry.status(),
            process.registry.formats(),
            process.registry.who_is_online(["alice"]),
        ):
            with pytest.raises(UnavailableError):
                await step
    assert await process.keys() == before
    assert caplog.text.count(f"records of format {strange}, and this version knows format {FORMAT} alone") == 1
    # Whoever knows that format has gone; what it left was deleted.
    await other.link.call("DEL", key)
    assert await process.registry.join("alice", owner) is not None
    assert await other.link.call("GET", key) == str(FORMAT).encode()


async def test_lease_says_which_format_the_process_knows(process: RedisProcess, other: RedisProcess) -> None:
    await process.link.call(
        "HSET", f"{process.layer.prefix}-registry:formats", other.layer.process, FORMAT + 1, "gone", FORMAT
    )
    assert await process.registry.formats() == {process.layer.process: FORMAT, other.layer.process: FORMAT + 1}
    await process.link.call("HDEL", f"{process.layer.prefix}-registry:formats", other.layer.process)
    assert (await process.registry.formats())[other.layer.process] == 0
    await other.registry.end_lease()
    assert await process.registry.formats() == {process.layer.process: FORMAT}
    await process.registry.sweep()
    left = await process.link.call("HKEYS", f"{process.layer.prefix}-registry:formats")
    assert set(left) == {b"gone", process.layer.process.encode()}


@pytest.mark.usefixtures("on_redis")
async def test_process_of_another_format_is_logged_once(
    redis_url: str, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with redis_process(redis_url, prefix) as elsewhere:
        await elsewhere.link.call("HSET", f"{prefix}-registry:formats", elsewhere.layer.process, 7)
        # A process that connects anew renews its lease.
        for _ in range(2):
            await connect_anew(elsewhere)
    assert caplog.text.count("Processes of another version are on this Redis: format 7") == 1


async def connect_anew(elsewhere: RedisProcess) -> None:
    """Break the other process' connection to Redis, and wait until all that follows a connect is done."""
    connects = counters.redis_connects
    await elsewhere.cut_others()
    await until(lambda: counters.redis_connects > connects)
