"""Processes of several versions on one Redis."""

import itertools

import pytest

from signaling.telemetry.counters import counters
from signaling.tests.stage import RedisProcess, redis_process, until

numbers = itertools.count(1)


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
