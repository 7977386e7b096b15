from hypothesis import given
from hypothesis import strategies as st

from signaling.connections.timer_wheel import Wheel

TICK = 0.25


def test_item_is_due_once_and_not_early() -> None:
    wheel = Wheel[str](TICK, 100.0)
    wheel.put("alice", 101.0)
    assert wheel.due(100.99) == []
    assert wheel.due(101.25) == ["alice"]
    assert wheel.due(200) == []


def test_item_that_was_removed_is_never_due() -> None:
    wheel = Wheel[str](TICK, 100.0)
    tick = wheel.put("alice", 101.0)
    wheel.put("bob", 101.0)
    wheel.remove("alice", tick)
    wheel.remove("alice", tick)
    wheel.remove("alice", tick + 1000)
    assert wheel.due(200) == ["bob"]


def test_item_whose_deadline_has_passed_is_due_next() -> None:
    wheel = Wheel[str](TICK, 100.0)
    wheel.due(150)
    wheel.put("late", 100.5)
    assert wheel.due(150.5) == ["late"]


def test_wheel_that_slept_catches_up() -> None:
    wheel = Wheel[int](TICK, 0.0)
    for number in range(1000):
        wheel.put(number, number / 10)
    assert sorted(wheel.due(1000)) == list(range(1000))


@given(
    st.floats(0, 1e6),
    st.lists(st.tuples(st.floats(0, 20), st.floats(0, 1)), max_size=60),
    st.sets(st.integers(0, 59)),
)
def test_every_item_is_due_within_two_ticks(start: float, steps: list[tuple[float, float]], removed: set[int]) -> None:
    wheel = Wheel[int](TICK, start)
    now = start
    deadlines: dict[int, float] = {}
    for number, (delay, pause) in enumerate(steps):
        tick = wheel.put(number, now + delay)
        deadlines[number] = now + delay
        if number in removed:
            wheel.remove(number, tick)
            del deadlines[number]
        now += pause
        for item in wheel.due(now):
            assert deadlines.pop(item) <= now
        assert all(deadline > now - 2 * TICK for deadline in deadlines.values())
    assert set(wheel.due(now + 100)) == set(deadlines)
