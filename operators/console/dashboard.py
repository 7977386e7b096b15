"""What the dashboard shows: the processes' snapshots, put into words, tiles, bars and tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from signaling.telemetry.snapshot import Overview, Series, Snapshot, Window

# Each bar is this wide and this far from the next one, in the units of its picture.
BAR_WIDTH, BAR_STEP, CHART_HEIGHT = 4, 5, 48
# A count that is not 0 can be seen, however high the highest bar is.
LEAST_HEIGHT = 1.5
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
}


@dataclass(frozen=True)
class Alarm:
    """What is wrong, and what it means or what to do about it."""

    name: str
    sentence: str


REDIS_ALARM = Alarm(
    "Redis unreachable",
    "Clients of different processes do not reach each other, nobody can register, and no call can be placed. "
    "The figures are those of this process alone.",
)
TURN_ALARM = Alarm(
    "TURN: no secret",
    "Clients get no TURN servers, so calls fail between most networks. Set TURN_SECRET to the secret shared "
    "with the TURN server, and TURN_URLS to its addresses.",
)


@dataclass(frozen=True)
class Bar:
    """One step of time: where it stands in the picture, and what it says."""

    x: float
    y: float
    height: float
    title: str


@dataclass(frozen=True)
class Chart:
    """Counts over time; `peak` is the highest of them."""

    title: str
    span: str
    step: str
    total: int
    peak: int
    width: int
    bars: list[Bar]
    begin: datetime
    end: datetime


@dataclass(frozen=True)
class Row:
    """One label of a family, in the last hour and the last day."""

    label: str
    hour: int
    hour_rate: float
    day: int


@dataclass(frozen=True)
class Table:
    """A family by label; only what happened."""

    title: str
    heading: str
    rows: list[Row]


def describe(overview: Overview, *, has_turn_secret: bool) -> dict[str, Any]:
    """Return the template's context."""
    total = overview.total
    return {
        "alarms": list(_alarms(total, has_turn_secret=has_turn_secret)),
        "total": total,
        "tiles": _tiles(total),
        "charts": [
            (_chart(title, family, total.minutes), _chart(title, family, total.quarters))
            for family, title in CHARTS.items()
        ],
        "tables": [_table(family, total.hour, total.day) for family in TABLES],
        "processes": [_process(one) for one in overview.processes],
        "sum": _process(total),
        "chart_height": CHART_HEIGHT,
        "bar_width": BAR_WIDTH,
    }


def _alarms(total: Snapshot, *, has_turn_secret: bool) -> Iterator[Alarm]:
    if total.redis_is_up is False:
        yield REDIS_ALARM
    if not has_turn_secret:
        yield TURN_ALARM


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


def _chart(title: str, family: str, series: Series) -> Chart:
    counts = series.points.get(family, [])
    peak = max(counts, default=0)
    seconds = series.step_minutes * 60
    begin = series.end - len(counts)
    bars = [
        _bar(place, count, peak, datetime.fromtimestamp((begin + place) * seconds, UTC))
        for place, count in enumerate(counts)
        if count
    ]
    is_hour = series.step_minutes == 1
    return Chart(
        title=title,
        span="last hour" if is_hour else "last day",
        step="a minute" if is_hour else f"in {series.step_minutes} minutes",
        total=sum(counts),
        peak=peak,
        width=len(counts) * BAR_STEP - (BAR_STEP - BAR_WIDTH),
        bars=bars,
        begin=datetime.fromtimestamp(begin * seconds, UTC),
        end=datetime.fromtimestamp(series.end * seconds, UTC),
    )


def _bar(place: int, count: int, peak: int, begin: datetime) -> Bar:
    height = max(round(CHART_HEIGHT * count / peak, 1), LEAST_HEIGHT)
    return Bar(place * BAR_STEP, round(CHART_HEIGHT - height, 1), height, f"{begin:%H:%M}: {count:,}")


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
