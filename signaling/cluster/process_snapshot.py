"""The numbers of this process: for `/metrics`, and for the other processes' dashboards."""

import platform
import time
from collections import Counter
from collections.abc import Collection
from typing import NamedTuple

from django.conf import settings

from signaling.connections.connection import Connection
from signaling.protocol.calls import Role, State
from signaling.telemetry.readings import MINUTES_PER_DAY, Minutes
from signaling.telemetry.snapshot import Gauges, Snapshot


class Redis(NamedTuple):
    """Whether Redis can be reached, and takes writes; None where there is none."""

    is_up: bool | None
    is_writable: bool | None


REACHED = Redis(is_up=True, is_writable=True)


def count(connections: Collection[Connection], redis: Redis) -> Gauges:
    """Count connections, clients and calls; a call counts in its caller's process, so once among all."""
    calls = Counter(leg.state for one in connections for leg in one.legs.values() if leg.role is Role.CALLER)
    return Gauges(
        redis_is_up=redis.is_up,
        redis_is_writable=redis.is_writable,
        connections=len(connections),
        registered_clients=sum(one.client_id is not None for one in connections),
        calls_ringing=calls[State.RINGING],
        calls_active=calls[State.ACTIVE],
    )


def describe(connections: Collection[Connection], process: str, minutes: Minutes, redis: Redis) -> Snapshot:
    """Make the snapshot of the process of this name: its gauges now, and the counts of its last hour and day."""
    now = count(connections, redis)
    hour, day = minutes.series()
    return Snapshot(
        redis_is_up=now.redis_is_up,
        redis_is_writable=now.redis_is_writable,
        connections=now.connections,
        registered_clients=now.registered_clients,
        calls_ringing=now.calls_ringing,
        calls_active=now.calls_active,
        process=process,
        host=platform.node(),
        version=settings.VERSION,
        started_at=minutes.started_at,
        taken_at=time.time(),
        totals=minutes.totals(),
        hour=minutes.window(60),
        day=minutes.window(MINUTES_PER_DAY),
        minutes=hour,
        quarters=day,
    )
