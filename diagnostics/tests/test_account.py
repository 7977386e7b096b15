"""The meaning of a load's figures."""

from array import array

import pytest

from diagnostics.loadtest.account import Account, percentiles


def well(**changes: object) -> Account:
    """Everything asked for came about, but for what `changes` say."""
    account = Account(clients=2, calls_per_second=1, connected=2, calls_started=1, calls_finished=1)
    for name, value in changes.items():
        setattr(account, name, value)
    return account


def test_percentiles_are_in_milliseconds_and_of_what_was_measured() -> None:
    assert percentiles([number / 1000 for number in range(101)]) == {"p50": 50, "p99": 99, "max": 100}
    assert percentiles([0.5]) == {"p50": 500, "p99": 500, "max": 500}


def test_percentiles_of_nothing_are_none() -> None:
    assert percentiles([]) is None


def test_account_is_well_when_all_came_about() -> None:
    assert well().is_well


@pytest.mark.parametrize("changes", [{"connected": 1}, {"calls_finished": 0}, {"lost": 1}, {"altered": 1}])
def test_account_is_not_well_when_something_is_missing(changes: dict[str, object]) -> None:
    assert not well(**changes).is_well


def test_account_tells_a_saturated_client_from_a_starved_one() -> None:
    assert well(cpu_share=0.95).is_saturated
    assert not well(cpu_share=0.5).is_saturated
    assert well(late_seconds=array("d", [0.001] * 90 + [0.05] * 10)).is_starved
    assert not well(late_seconds=array("d", [0.001] * 100)).is_starved


def test_account_of_an_interrupted_load_does_not_miss_who_had_not_connected_yet() -> None:
    assert well(connected=1, is_interrupted=True).is_well
