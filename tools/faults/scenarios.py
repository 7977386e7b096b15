"""Every scenario of `make faults`, at its two sizes."""

import resource
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.support.released import VERSION
from tools.faults.audit import audit
from tools.faults.chaos import chaos
from tools.faults.clock import clock
from tools.faults.crash import crash
from tools.faults.crowd import crowd
from tools.faults.deaf import deaf
from tools.faults.deploy import deploy, upgrade
from tools.faults.failover import failover
from tools.faults.findings import Finding
from tools.faults.insider import insider
from tools.faults.keys import keys
from tools.faults.killed import killed
from tools.faults.lies import lies
from tools.faults.owners import owners
from tools.faults.postgres_away import postgres_away
from tools.faults.record import record
from tools.faults.redis_away import redis_away
from tools.faults.schedules import schedules
from tools.faults.slow_readers import slow_readers
from tools.faults.snapshot import snapshot
from tools.faults.soak import soak
from tools.faults.strangers import strangers
from tools.faults.valkey import valkey
from tools.faults.verifiers import SIZES, verifiers
from tools.faults.witness import witness

# Beside the connections a process has files of its own; below the limit there is room for those who just leave.
FILES_BESIDES = 500

Run = Callable[[], Awaitable[list[Finding]]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One part of a run, at its two sizes."""

    title: str
    seconds: int  # about
    full: Run
    small: Run


def scenarios(soak_minutes: float) -> dict[str, Scenario]:
    """Name every part, in the order of the run."""
    clients = min(10_000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - FILES_BESIDES)
    return {
        "crash": Scenario(
            "`kill -9` of one of two processes, 200 clients in 100 calls across both, and 10 more that never return",
            110,
            lambda: crash(100, never_return=10),
            lambda: crash(10),
        ),
        "deploy": Scenario(
            "A rolling deploy of two processes under 50 calls a second",
            60,
            lambda: deploy(150, 50, 5),
            lambda: deploy(20, 10, 2),
        ),
        "upgrade": Scenario(
            f"A rolling deploy from {VERSION} to this version, and one back, each under 50 calls a second",
            60,
            lambda: upgrade(150, 50, 5),
            lambda: upgrade(20, 10, 2),
        ),
        "deaf": Scenario(
            "A tenth of the lines goes deaf, each second for a minute, while 200 pairs call again and again",
            120,
            lambda: deaf(200, 60),
            lambda: deaf(10, 5),
        ),
        "schedules": Scenario(
            "Random schedules of four clients that answer pings, or late, or never, while lines and processes end",
            240,
            lambda: schedules(1000),
            lambda: schedules(20),
        ),
        "redis": Scenario(
            "Redis away for 10 s, and back empty; 60 calls in and across two processes",
            30,
            lambda: redis_away(20, 10),
            lambda: redis_away(3, 3),
        ),
        "snapshot": Scenario(
            "Redis is killed, and comes back with older data, under 300 calls across two processes",
            40,
            lambda: snapshot(100),
            lambda: snapshot(3),
        ),
        "failover": Scenario(
            "The primary is killed and three Sentinels fail over, under 50 calls a second across two processes",
            90,
            lambda: failover(150, 50),
            lambda: failover(10, 5),
        ),
        "valkey": Scenario(
            "The tests of the Redis part on Valkey",
            100,
            lambda: valkey("signaling/delivery", "signaling/registry", "signaling/cluster", "tests/test_redis_away.py"),
            lambda: valkey("signaling/registry/tests/test_rollback.py"),
        ),
        "postgres": Scenario(
            "Postgres away for 10 s, and then hanging for 10 s, under publications",
            50,
            lambda: postgres_away(10),
            lambda: postgres_away(3),
        ),
        "clock": Scenario(
            "The wall clock is set an hour forward, then two hours back", 30, lambda: clock(20, 15), lambda: clock(3)
        ),
        "crowd": Scenario(
            f"{clients:,} clients of one process with heartbeats, then all of them coming back at once",
            120,
            lambda: crowd(clients),
            lambda: crowd(500, 4),
        ),
        "slow": Scenario(
            "100 clients that never read while their peers send",
            40,
            lambda: slow_readers(100),
            lambda: slow_readers(10),
        ),
        "strangers": Scenario(
            "Strangers: unfinished handshakes, floods, too many connections, the directory",
            90,
            lambda: strangers(500, 20),
            lambda: strangers(50, 3),
        ),
        "owners": Scenario(
            "Strangers and thieves register on one of two processes while the other accepts an owner's statement",
            240,
            lambda: owners(10_000, 1000),
            lambda: owners(200, 20),
        ),
        "killed": Scenario(
            "`kill -9` of one of two processes that append to the public log, again and again; then an older database",
            900,
            lambda: killed(100),
            lambda: killed(2),
        ),
        "insider": Scenario(
            "Somebody with the database changes any column of any row of the directory and its log",
            300,
            insider,
            insider,
        ),
        "chaos": Scenario(
            "10,000 connections in calls are cut off at random bytes",
            90,
            lambda: chaos(10_000),
            lambda: chaos(500),
        ),
        "verifiers": Scenario(
            f"The public log at up to {max(SIZES):,} entries before four verifiers that others wrote",
            180,
            verifiers,
            lambda: verifiers(SIZES[:5]),
        ),
        "audit": Scenario(
            "The auditor before a public log of 1,000,000 entries", 400, lambda: audit(1_000_000), lambda: audit(3000)
        ),
        "record": Scenario(
            "A directory of 1,000,000 client IDs that belong to keys, with its public log, on Postgres",
            1200,
            lambda: record(1_000_000, 2000, 60),
            lambda: record(3000, 100, 3),
        ),
        "keys": Scenario(
            f"Operators' pages, an export and the upgrade of a directory of 1,000,000 keys of {VERSION}",
            420,
            lambda: keys(1_000_000),
            lambda: keys(3000, has_goals=False),
        ),
        "lies": Scenario(
            "Answers of a public log that were changed in any byte, and a proxy that lies, before the Python client",
            400,
            lies,
            lambda: lies(23),
        ),
        "witness": Scenario(
            "A witness of the public log that others wrote, which goes and comes back", 120, witness, witness
        ),
        "soak": Scenario(
            "A soak: clients come, call, drop and go on two processes",
            round(60 * soak_minutes) + 40,
            lambda: soak(60 * soak_minutes),
            lambda: soak(20),
        ),
    }
