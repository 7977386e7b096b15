"""How this process describes itself in numbers: for `/metrics`, and for the other processes' dashboards."""

import platform
import time
from collections import Counter
from collections.abc import Iterable

from django.conf import settings

from signaling.connections.connection import Connection
from signaling.delivery.layers import RedisSwitch, Switch
from signaling.protocol.calls import Role, State
from signaling.telemetry.readings import MINUTES_A_DAY, Minutes
from signaling.telemetry.snapshot import Gauges, Snapshot


def count(connections: Iterable[Connection], switch: Switch) -> Gauges:
    """Count what there is now. A call counts where its caller is connected: once among all processes."""
    listed = list(connections)
    calls = Counter(leg.state for one in listed for leg in one.legs.values() if leg.role is Role.CALLER)
    return Gauges(
        redis_is_up=switch.link.is_up if isinstance(switch, RedisSwitch) else None,
        connections=len(listed),
        registered_clients=sum(one.client_id is not None for one in listed),
        calls_ringing=calls[State.RINGING],
        calls_active=calls[State.ACTIVE],
    )


def describe(connections: Iterable[Connection], switch: Switch, minutes: Minutes) -> Snapshot:
    """Describe the process, with what it counted lately."""
    now = count(connections, switch)
    hour, day = minutes.series()
    return Snapshot(
        redis_is_up=now.redis_is_up,
        connections=now.connections,
        registered_clients=now.registered_clients,
        calls_ringing=now.calls_ringing,
        calls_active=now.calls_active,
        process=switch.process,
        host=platform.node(),
        version=settings.VERSION,
        started_at=minutes.started_at,
        taken_at=time.time(),
        totals=minutes.totals(),
        hour=minutes.window(60),
        day=minutes.window(MINUTES_A_DAY),
        minutes=hour,
        quarters=day,
    )
