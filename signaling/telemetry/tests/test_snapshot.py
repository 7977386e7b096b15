from collections.abc import Awaitable, Callable

import pytest

from signaling.telemetry.counters import Counters
from signaling.telemetry.snapshot import Overview, Series, Snapshot, Window
from signaling.tests.clock import Clock
from signaling.tests.people import Person
from signaling.tests.snapshots import snapshot

Join = Callable[..., Awaitable[Person]]


def hops(*counts: int) -> Window:
    labels = ("0.001", "0.01", "+Inf")
    return Window(60, {"hop": dict(zip(labels, counts, strict=True))})


def test_quantile_is_linear_within_a_bucket() -> None:
    assert hops(10, 0, 0).quantile(0.5) == pytest.approx(0.0005)
    assert hops(50, 50, 0).quantile(0.5) == pytest.approx(0.001)
    assert hops(50, 50, 0).quantile(0.99) == pytest.approx(0.00982)


def test_quantile_beyond_the_last_bound_is_the_last_bound() -> None:
    assert hops(1, 0, 99).quantile(0.99) == pytest.approx(0.01)


def test_quantile_of_nothing_is_none() -> None:
    assert hops(0, 0, 0).quantile(0.5) is None
    assert Window(60, {}).quantile(0.5) is None


def test_series_of_processes_are_added_step_by_step() -> None:
    late = Series(1, 99, {"messages_received": [1, 2, 3]})
    newest = Series(1, 100, {"messages_received": [10, 20, 30]})
    assert Series.sum([newest, late]) == Series(1, 100, {"messages_received": [12, 23, 30]})
    assert Series.sum([late, newest]) == Series(1, 100, {"messages_received": [12, 23, 30]})


def test_snapshot_survives_json(clock: Clock) -> None:
    original = snapshot("a", clock, Counters())
    assert Snapshot.decode(original.encode()) == original


def test_snapshot_of_another_version_is_left_out() -> None:
    assert Snapshot.decode(b'{"process":"a"}') is None
    assert Snapshot.decode(b"not JSON") is None


def test_total_adds_counts_over_the_same_time(clock: Clock) -> None:
    counters = Counters()
    counters.registrations = 7
    one = snapshot("a", clock, counters)
    total = Overview([one, one]).total
    assert total.totals["registrations"] == {"": 14}
    assert total.hour.seconds == one.hour.seconds
