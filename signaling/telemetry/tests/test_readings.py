import pytest

from signaling.telemetry.counters import Counters
from signaling.telemetry.readings import MINUTES_PER_DAY, Minutes
from signaling.tests.clock import Clock


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def minutes(counters: Counters, clock: Clock) -> Minutes:
    # In the first minute of a quarter of an hour.
    clock.now = 15_000_000 * 60 + 30
    return Minutes(counters, clock)


def pass_minutes(minutes: Minutes, clock: Clock, number: int, counters: Counters, messages: int = 0) -> None:
    """Let minutes begin, with messages in each of them."""
    for _ in range(number):
        counters.messages_received["HEARTBEAT"] += messages
        clock.move(60)
        minutes.note()


def test_window_of_a_young_process_is_as_long_as_its_life(minutes: Minutes, clock: Clock, counters: Counters) -> None:
    counters.registrations += 5
    clock.move(10)
    window = minutes.window(60)
    assert window.seconds == pytest.approx(10)
    assert window.count("registrations") == 5
    assert window.per_second("registrations") == pytest.approx(0.5)


def test_window_forgets_what_is_older(minutes: Minutes, clock: Clock, counters: Counters) -> None:
    pass_minutes(minutes, clock, 30, counters, messages=100)
    pass_minutes(minutes, clock, 60, counters, messages=1)
    assert minutes.window(60).count("messages_received", "HEARTBEAT") == 60
    assert minutes.window(60).seconds == pytest.approx(3630)
    assert minutes.window(MINUTES_PER_DAY).count("messages_received") == 3060
    pass_minutes(minutes, clock, MINUTES_PER_DAY, counters)
    assert minutes.window(MINUTES_PER_DAY).count("messages_received") == 0
    assert minutes.totals()["messages_received"]["HEARTBEAT"] == 3060


def test_series_have_a_point_for_each_minute_and_for_the_quarter_that_runs(
    minutes: Minutes, clock: Clock, counters: Counters
) -> None:
    pass_minutes(minutes, clock, 20, counters, messages=3)
    counters.messages_received["HEARTBEAT"] += 1000
    hour, day = minutes.series()
    assert hour.points["messages_received"] == [0] * 40 + [3] * 20
    assert day.points["messages_received"] == [0] * 94 + [45, 15]
    assert (hour.step_minutes, hour.end) == (1, 15_000_020)
    assert (day.step_minutes, day.end) == (15, 1_000_002)
    pass_minutes(minutes, clock, 1, counters)
    assert minutes.series()[0].points["messages_received"][-2:] == [3, 1000]


def test_day_has_what_its_last_hour_has(minutes: Minutes, clock: Clock, counters: Counters) -> None:
    for _ in range(40):
        pass_minutes(minutes, clock, 1, counters, messages=7)
        hour, day = (sum(series.points["messages_received"]) for series in minutes.series())
        assert hour == day > 0


def test_memory_is_that_of_a_day(minutes: Minutes, clock: Clock, counters: Counters) -> None:
    pass_minutes(minutes, clock, 3 * MINUTES_PER_DAY, counters, messages=1)
    assert minutes.window(MINUTES_PER_DAY).count("messages_received") == MINUTES_PER_DAY
    assert minutes.window(3 * MINUTES_PER_DAY).count("messages_received") == MINUTES_PER_DAY
