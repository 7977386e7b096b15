"""The format number of the records in Redis, and of the processes that are there."""

import itertools

import pytest

from signaling.delivery.events import FORMAT, KNOWN_FORMAT
from signaling.protocol.closing import Hold
from signaling.protocol.errors import UnavailableError
from signaling.registry.outcomes import Owner
from signaling.tests.stage import RedisProcess

numbers = itertools.count(1)


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
            process.registry.release("alice", owner, [], hold=Hold.NONE),
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
        "HSET", f"{process.layer.prefix}-registry:formats", other.layer.process, KNOWN_FORMAT + 1, "gone", KNOWN_FORMAT
    )
    assert await process.registry.formats() == {
        process.layer.process: KNOWN_FORMAT,
        other.layer.process: KNOWN_FORMAT + 1,
    }
    await process.link.call("HDEL", f"{process.layer.prefix}-registry:formats", other.layer.process)
    assert (await process.registry.formats())[other.layer.process] == 0
    await other.registry.end_lease()
    assert await process.registry.formats() == {process.layer.process: KNOWN_FORMAT}
    await process.registry.sweep()
    left = await process.link.call("HKEYS", f"{process.layer.prefix}-registry:formats")
    assert set(left) == {b"gone", process.layer.process.encode()}
