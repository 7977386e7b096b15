"""Turn the processes' snapshots into the dashboard's words, tiles, bars and tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from operators.console.charts import BAR_WIDTH, CHART_HEIGHT, chart
from signaling.telemetry.snapshot import Overview, Snapshot, Window
from turn.pool import State

# From here on a duration is written without decimals.
WHOLE_MILLISECONDS = 10

CHARTS = {
    "messages_received": "Messages received",
    "errors_sent": "Errors sent",
    "calls_opened": "Calls opened",
    "connections_refused": "Connections refused",
}
# Families of counts that are shown by label, and what the label is.
TABLES = {
    "messages_received": ("Messages from clients", "Type"),
    "errors_sent": ("Errors to clients", "Code"),
    "connections_refused": ("Refused connections", "Reason"),
}
REFUSALS = {
    "address_limit": "too many from one address",
    "origin": "origin not allowed",
    "path": "unknown path",
    "stopping": "server is stopping",
    "banned": "network is banned",
}


@dataclass(frozen=True)
class Alarm:
    """A fault, and a sentence that says what it means or what to do about it."""

    name: str
    sentence: str


REDIS_ALARM = Alarm(
    "Redis unreachable",
    "Clients of different processes do not reach each other, nobody can register, and no call can be placed. "
    "The figures are those of this process alone.",
)
WRITES_ALARM = Alarm(
    "Redis refuses writes",
    "Nobody can register, call, answer or hang up. The server's log has Redis' own words, and docs/operations.md what "
    "they mean.",
)
TURN_ALARM = Alarm(
    "TURN: no secret",
    "Clients get no TURN servers, so calls fail between most networks. Set TURN_SECRET to the secret shared "
    "with the TURN server, and TURN_URLS to its addresses.",
)


PROVIDER_ALARM = Alarm(
    "TURN provider away",
    "It gives this process no credentials; the log says why. What it gave last is given on until it expires: then "
    "calls fail between most networks.",
)


@dataclass(frozen=True)
class Row:
    """One label of a family, in the last hour and the last day."""

    label: str
    hour: int
    hour_rate: float
    day: int


@dataclass(frozen=True)
class Table:
    """A family of counters by label; labels that were never counted are left out."""

    title: str
    heading: str
    rows: list[Row]


def describe(overview: Overview, *, has_turn_secret: bool, provider: State | None = None) -> dict[str, Any]:
    """Turn the snapshots into the template's context."""
    total = overview.total
    return {
        "alarms": list(_alarms(total, provider, has_turn_secret=has_turn_secret)),
        "total": total,
        "tiles": _tiles(total),
        "charts": [
            (chart(title, family, total.minutes), chart(title, family, total.quarters))
            for family, title in CHARTS.items()
        ],
        "tables": [_table(family, total.hour, total.day) for family in TABLES],
        "processes": [_process(one) for one in overview.processes],
        "sum": _process(total),
        "chart_height": CHART_HEIGHT,
        "bar_width": BAR_WIDTH,
    }


def _alarms(total: Snapshot, provider: State | None, *, has_turn_secret: bool) -> Iterator[Alarm]:
    if total.redis_is_up is False:
        yield REDIS_ALARM
    elif total.redis_is_writable is False:
        yield WRITES_ALARM
    if not has_turn_secret:
        yield TURN_ALARM
    if provider is not None and not provider.is_up:
        yield PROVIDER_ALARM


def _tiles(total: Snapshot) -> list[tuple[str, str, str]]:
    hour, day = total.hour, total.day
    return [
        ("Connections", f"{total.connections:,}", "now"),
        ("Registered clients", f"{total.registered_clients:,}", "now"),
        ("Calls ringing", f"{total.calls_ringing:,}", "now"),
        ("Calls active", f"{total.calls_active:,}", "now"),
        ("Messages", f"{hour.per_second('messages_received'):.1f} /s", f"last hour, {_per_second(day)} /s last day"),
        ("Errors", f"{hour.count('errors_sent'):,}", f"last hour, {day.count('errors_sent'):,} last day"),
        (
            "Refused",
            f"{hour.count('connections_refused'):,}",
            f"last hour, {_count(day, 'connections_refused')} last day",
        ),
        ("Hop p50", _milliseconds(hour, 0.5), f"last hour, {_milliseconds(day, 0.5)} last day"),
        ("Hop p99", _milliseconds(hour, 0.99), f"last hour, {_milliseconds(day, 0.99)} last day"),
        ("Key changes", _changes(hour), f"last hour, {_changes(day)} last day"),
    ]


def _per_second(window: Window) -> str:
    return f"{window.per_second('messages_received'):.1f}"


def _count(window: Window, family: str) -> str:
    return f"{window.count(family):,}"


def _changes(window: Window) -> str:
    return f"{window.count('key_publications', 'changed'):,}"


def _milliseconds(window: Window, q: float) -> str:
    seconds = window.quantile(q)
    if seconds is None:
        return "–"
    milliseconds = seconds * 1000
    # More digits would promise more than the buckets of the histogram know.
    return f"{milliseconds:.0f} ms" if milliseconds >= WHOLE_MILLISECONDS else f"{milliseconds:.2g} ms"


def _table(family: str, hour: Window, day: Window) -> Table:
    title, heading = TABLES[family]
    rows = [
        Row(REFUSALS.get(label, label), hour.count(family, label), hour.per_second(family, label) * 60, count)
        for label, count in day.counts.get(family, {}).items()
        if count
    ]
    return Table(title, heading, sorted(rows, key=lambda row: -row.day))


def _process(one: Snapshot) -> dict[str, Any]:
    return {
        "snapshot": one,
        "started_at": datetime.fromtimestamp(one.started_at, UTC),
        "up_seconds": one.taken_at - one.started_at,
        "messages": _per_second(one.hour),
        "errors": _count(one.hour, "errors_sent"),
        "refused": _count(one.hour, "connections_refused"),
        "p50": _milliseconds(one.hour, 0.5),
        "p99": _milliseconds(one.hour, 0.99),
        "changes": _changes(one.hour),
    }
