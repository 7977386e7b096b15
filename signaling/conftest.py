"""The fixtures that the tests of this app share."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from pytest_django import Settings

from signaling.cluster import node
from signaling.cluster.node import Node
from signaling.protocol.limits import Limits, Timeouts
from signaling.tests.people import Person, leaving
from signaling.tests.stage import Clock, RedisProcess, new_prefix, redis_process, use_redis


@pytest.fixture
def clock() -> Clock:
    """Time that only the test moves."""
    return Clock()


@pytest.fixture
def prefix() -> str:
    """A prefix of the test's own, on a Redis that all share."""
    return new_prefix()


@pytest.fixture
async def process(redis_url: str, prefix: str, clock: Clock) -> AsyncIterator[RedisProcess]:
    """One process on the shared Redis."""
    async with redis_process(redis_url, prefix, clock, Limits(), Timeouts()) as process:
        yield process


@pytest.fixture
async def other(redis_url: str, prefix: str, clock: Clock) -> AsyncIterator[RedisProcess]:
    """Another process on the shared Redis."""
    async with redis_process(redis_url, prefix, clock, Limits(), Timeouts()) as process:
        yield process


@pytest.fixture(params=["memory", "redis"])
async def here(request: pytest.FixtureRequest, settings: Settings, prefix: str) -> AsyncIterator[Node]:
    """The node of a server that is one process, and of one of several."""
    if request.param == "redis":
        use_redis(settings, request.getfixturevalue("redis_url"), prefix)
    yield await node.current()
    await node.stop()


@pytest.fixture
async def join() -> AsyncIterator[Callable[..., Awaitable[Person]]]:
    """Connects people; they leave at the end of the test."""
    async with leaving() as connect:
        yield connect


@pytest.fixture
async def on_redis(redis_url: str, prefix: str, settings: Settings) -> AsyncIterator[Node]:
    """The node of a process on the shared Redis."""
    use_redis(settings, redis_url, prefix)
    yield await node.current()
    await node.stop()
