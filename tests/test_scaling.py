"""docs/scaling.md says what tools/bench/scaling.py computes."""

import re
from dataclasses import replace

import pytest

from tools.bench import scaling
from tools.bench.demand import ASSUMED as STANDARD
from tools.bench.demand import Demand, Measured
from tools.bench.results import RESULTS, Results

MEASURED = Measured(
    heartbeat_us=150,
    within_us=50,
    across_us=100,
    connect_us=800,
    leave_us=200,
    publish_us=1000,
    publishes_per_second=500,
    redis_within_us=2,
    redis_across_us=4,
    redis_connect_us=100,
    redis_leave_us=20,
    redis_commands_to_connect=4,
    redis_commands_to_leave=3,
    redis_kib=0.5,
    proxy_message_us=10,
    proxy_connect_us=200,
    proxy_kib=16,
    connection_kib=32,
    process_mib=100,
)
ASSUMED = replace(
    STANDARD,
    clients_per_process=10_000,
    heartbeat_seconds=30,
    calls_placed_per_client_and_day=3.6,
    share_of_the_day_in_its_busiest_hour=0.1,
    connects_per_client_and_day=8.64,
    storm_seconds=60,
)


def test_demand_of_a_hundred_thousand_clients() -> None:
    demand = Demand(100_000, MEASURED, ASSUMED)
    assert demand.processes == 10
    assert demand.calls == pytest.approx(10)
    assert demand.messages == pytest.approx(190)
    assert demand.connects == pytest.approx(10)
    # Heartbeats, messages of which nine in ten go across, and arrivals.
    assert demand.cores == pytest.approx(0.5 + 190 * 95e-6 + 10 * 2000e-6)
    # Calls, comings and goings, and the processes' own rounds.
    assert demand.redis_commands == pytest.approx(10 * (3 + 19 * 0.9) + 10 * 7 + 11)
    assert demand.memory_gib == pytest.approx((100_000 * 32 + 10 * 100 * 1024) / 1024**2)


def test_demand_of_a_storm() -> None:
    demand = Demand(1_000_000, MEASURED, ASSUMED)
    assert demand.processes == 100
    assert demand.storm_process_seconds == pytest.approx(18)
    assert demand.storm_database_seconds == pytest.approx(20)
    assert demand.storm_redis_seconds == pytest.approx(100)
    assert demand.storm_primaries == 3


def test_demand_of_few_clients_is_two_processes() -> None:
    assert Demand(1, MEASURED, ASSUMED).processes == 2


def test_page_says_what_the_runs_that_it_names_give() -> None:
    _, begin, rest = scaling.PAGE.read_text().partition(scaling.BEGIN)
    block, end, _ = rest.partition(scaling.END)
    assert begin
    assert end
    names = re.findall(r"`([\w.-]+\.json)`", block)
    assert len(names) == 2, "write the tables: python -m tools.bench.scaling --write"
    results, behind = (Results.read(RESULTS / name) for name in names)
    assert block.strip() == scaling.tables(results, behind)
