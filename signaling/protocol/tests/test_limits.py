import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.protocol.closing import Hold
from signaling.protocol.errors import RateLimitedError
from signaling.protocol.limits import Allowance, Limits, SlidingWindow, SlidingWindows, Timeouts
from signaling.protocol.server_messages import error_for

START = 1_000.0
OFF = Limits(*[0] * len(Limits.__dataclass_fields__))


def takes(take: Callable[[float], None], now: float, count: int) -> int:
    """Try `count` times at one moment; returns how often it succeeded."""
    taken = 0
    for _ in range(count):
        try:
            take(now)
        except RateLimitedError:
            continue
        taken += 1
    return taken


def test_limits_are_those_of_the_protocol() -> None:
    assert Limits() == Limits(240, 20, 60, 10, 200, 100, 300, 1_048_576, 8)
    assert Timeouts() == Timeouts(60, 60, 60, 30)


def test_messages_come_in_a_burst_then_at_a_rate() -> None:
    allowance = Allowance(Limits(), START)
    assert takes(allowance.consume_message, START, 300) == 240
    assert takes(allowance.consume_message, START + 0.5, 100) == 10
    assert takes(allowance.consume_message, START + 1, 100) == 10
    assert takes(allowance.consume_message, START + 1000, 300) == 240


def test_messages_refused_cost_nothing() -> None:
    allowance = Allowance(Limits(), START)
    takes(allowance.consume_message, START, 10_000)
    for tenth in range(1, 100):
        assert takes(allowance.consume_message, START + tenth / 10 + 0.001, 3) == 2


def test_messages_are_unlimited_when_a_limit_is_off() -> None:
    for limits in (OFF, Limits(message_burst=0), Limits(messages_per_second=0)):
        assert takes(Allowance(limits, START).consume_message, START, 10_000) == 10_000


@given(
    st.integers(1, 100),
    st.integers(1, 100),
    st.lists(st.floats(0, 3), min_size=1, max_size=200),
)
def test_bucket_never_gives_more_than_burst_and_rate(burst: int, per_second: int, pauses: list[float]) -> None:
    allowance = Allowance(Limits(message_burst=burst, messages_per_second=per_second), START)
    now, taken = START, 0
    for pause in pauses:
        now += pause
        taken += takes(allowance.consume_message, now, 1)
        assert taken <= burst + (now - START) * per_second + 1e-6


@given(st.integers(1, 10), st.integers(1, 50), st.lists(st.floats(0, 0.2), max_size=60))
def test_bucket_keeps_its_word(burst: int, per_second: int, pauses: list[float]) -> None:
    allowance = Allowance(Limits(message_burst=burst, messages_per_second=per_second), START)
    now = START
    for pause in pauses:
        now += pause
        try:
            allowance.consume_message(now)
        except RateLimitedError as error:
            # What is said to a client, in whole milliseconds.
            said = error_for(error).retry_after_ms
            assert isinstance(said, int)
            assert 0 < said <= 1000 / per_second + 1
            # No clock is exact to a microsecond.
            now += said / 1000 + 1e-6
            allowance.consume_message(now)


@given(
    st.integers(1, 8),
    st.floats(0.1, 10),
    st.lists(st.floats(0, 3), max_size=100),
)
def test_window_counts_exactly(limit: int, seconds: float, pauses: list[float]) -> None:
    window = SlidingWindow(limit, seconds)
    now, taken = START, [-math.inf]
    for pause in pauses:
        now += pause
        recent = [time for time in taken if time > now - seconds]
        wait = window.consume(now)
        assert bool(wait) == (len(recent) >= limit)
        if wait:
            assert wait == pytest.approx(recent[0] + seconds - now)
        else:
            taken.append(now)
        assert not window.is_empty(now)
    assert window.is_empty(now + seconds + 0.001)


def test_window_without_a_limit_counts_nothing() -> None:
    window = SlidingWindow(0, 60)
    assert not any(window.consume(START) for _ in range(1000))
    assert window.is_empty(START)


def test_names_are_forgotten() -> None:
    windows = SlidingWindows(60)
    for number in range(10_000):
        windows.consume(str(number), 1000.0, 600)
    assert len(windows) == 10_000
    windows.consume("another", 1061.0, 600)
    assert len(windows) == 1


def test_names_without_a_limit_are_not_remembered() -> None:
    windows = SlidingWindows(60)
    assert not any(windows.consume("one", 1000.0, 0) for _ in range(1000))
    assert len(windows) == 0


@pytest.mark.parametrize(("name", "limit"), [("consume_lookup", 60), ("consume_register", 10)])
def test_directory_requests_are_counted_a_minute(name: str, limit: int) -> None:
    allowance = Allowance(Limits(), START)
    take = getattr(allowance, name)
    assert takes(take, START, 200) == limit
    assert takes(take, START + 59.999, 200) == 0
    with pytest.raises(RateLimitedError) as refused:
        take(START + 50)
    assert refused.value.retry_after_seconds == pytest.approx(10)
    assert takes(take, START + 60, 200) == limit
    assert takes(getattr(Allowance(OFF, START), name), START, 1000) == 1000


def test_directory_requests_are_counted_apart() -> None:
    allowance = Allowance(Limits(), START)
    assert takes(allowance.consume_lookup, START, 100) == 60
    assert takes(allowance.consume_register, START, 100) == 10


def test_refusals_exhaust_within_ten_seconds() -> None:
    allowance = Allowance(Limits(), START)
    assert not any(allowance.is_exhausted(START + number / 100) for number in range(200))
    assert allowance.is_exhausted(START + 9.99)


def test_refusals_spread_out_do_not_exhaust() -> None:
    allowance = Allowance(Limits(), START)
    assert not any(allowance.is_exhausted(START + number / 20) for number in range(5000))


def test_refusals_never_exhaust_when_the_limit_is_off() -> None:
    allowance = Allowance(OFF, START)
    assert not any(allowance.is_exhausted(START) for _ in range(5000))


def test_timeouts_hold_a_client_that_goes_away_no_longer_than_a_lost_one() -> None:
    assert [Timeouts().seconds_of(hold) for hold in (Hold.FULL, Hold.BRIEF)] == [30, 5]
    assert Timeouts(hold_seconds=2).seconds_of(Hold.BRIEF) == 2
