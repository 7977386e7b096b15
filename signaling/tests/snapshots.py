"""Snapshots of processes that a test makes up."""

from signaling.telemetry.counters import Counters
from signaling.telemetry.readings import MINUTES_PER_DAY, Minutes
from signaling.telemetry.snapshot import Snapshot
from signaling.tests.clock import Clock


def snapshot(process: str, clock: Clock, counters: Counters) -> Snapshot:
    """Make the snapshot of a process that counted `counters`."""
    minutes = Minutes(counters, clock)
    series, quarters = minutes.series()
    return Snapshot(
        process=process,
        host="host",
        version="1",
        started_at=clock.now,
        taken_at=clock.now,
        redis_is_up=True,
        connections=3,
        registered_clients=2,
        calls_ringing=1,
        calls_active=4,
        totals=minutes.totals(),
        hour=minutes.window(60),
        day=minutes.window(MINUTES_PER_DAY),
        minutes=series,
        quarters=quarters,
    )
