import pytest

from signaling.registry.redis_evictions import PAUSE_SECONDS, Evictions
from signaling.tests.clock import Clock
from signaling.tests.stage import RedisProcess


async def test_evictions_are_noted_once_in_a_while_and_told_once(
    process: RedisProcess, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    evictions = Evictions(clock)
    await evictions.begin(process.link)
    assert evictions.can_ask
    assert not evictions.note(0)
    assert evictions.note(7)
    assert not evictions.note(9)
    clock.move(PAUSE_SECONDS)
    assert evictions.note(9)
    clock.move(PAUSE_SECONDS)
    assert not evictions.note(9)
    assert [record.getMessage().partition(" because ")[0] for record in caplog.records] == ["Redis throws keys away"]
