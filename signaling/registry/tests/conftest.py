"""Each test of the contract runs on both registries."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
import redis

from signaling.registry.contract import Registry
from signaling.registry.memory import MemoryRegistry
from signaling.registry.tests.both import LIMITS, OF_THE_PROCESS, TIMEOUTS, Stage, names_in
from signaling.tests.acl import user_of
from signaling.tests.stage import Clock, names_of, redis_process


@pytest.fixture(params=["memory", "redis"])
async def stage(request: pytest.FixtureRequest, clock: Clock, prefix: str) -> AsyncIterator[Stage]:
    if request.param == "memory":
        registry = MemoryRegistry(LIMITS, TIMEOUTS, clock)

        async def left() -> set[str]:
            return names_in(registry)

        async def renew() -> None:
            """Do nothing: a single process has no lease."""

        yield Stage(registry, clock, left, renew)
        return
    url = request.getfixturevalue("redis_url")
    # With the rights that are documented, and no others.
    with user_of(url, prefix) as own_url:
        async with redis_process(own_url, prefix, clock, LIMITS, TIMEOUTS) as process:

            async def keys() -> set[str]:
                with redis.Redis.from_url(url) as operator:
                    return names_of(operator.keys(f"{prefix}*"), prefix) - OF_THE_PROCESS

            yield Stage(process.registry, clock, keys, partial(process.registry.renew_lease, 0))


@pytest.fixture
def registry(stage: Stage) -> Registry:
    return stage.registry
