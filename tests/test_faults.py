"""The scenarios of `make faults`, with a handful of clients."""

import json

import pytest

from tests.conftest import Start
from tools.faults import report
from tools.faults.chaos import chaos
from tools.faults.clock import clock
from tools.faults.crash import crash
from tools.faults.deploy import deploy
from tools.faults.findings import broken
from tools.faults.keys import keys
from tools.faults.owners import races
from tools.faults.redis_away import redis_away


async def test_crash_of_a_process_loses_nothing_but_its_connections() -> None:
    assert broken(await crash(calls=6)) == []


@pytest.mark.long
async def test_rolling_deploy_ends_no_call_and_loses_nothing() -> None:
    assert broken(await deploy(pairs=6, calls_per_second=6, settle_seconds=0.5)) == []


@pytest.mark.long
async def test_redis_away_is_told_and_ends_nothing() -> None:
    assert broken(await redis_away(calls=2, seconds=1)) == []


@pytest.mark.long
async def test_clock_that_is_set_ends_nothing() -> None:
    assert broken(await clock(calls=2, watch_seconds=1.5)) == []


async def test_connections_that_are_cut_off_leave_nothing() -> None:
    assert broken(await chaos(100)) == []


async def test_register_around_a_statement_takes_nothing_from_the_owner(start: Start) -> None:
    doors = start("ours", "redis", 0).ws_url, start("ours", "redis", 1).ws_url
    assert broken(await races(doors, 10, 2)) == []


@pytest.mark.long
async def test_directory_of_the_release_is_listed_searched_and_exported_whole_after_the_upgrade() -> None:
    assert broken(await keys(300, has_goals=False)) == []


def test_page_says_what_the_last_runs_gave() -> None:
    _, begin, rest = report.PAGE.read_text().partition(report.BEGIN)
    block, end, _ = rest.partition(report.END)
    assert begin
    assert end
    kept = json.loads(report.RESULTS.read_text())
    assert block.strip() == report.Report.of(kept).markdown().strip()
