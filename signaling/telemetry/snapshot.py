"""The snapshot that a process publishes for the dashboard: counts and times, never a client or an address."""

import itertools
from collections.abc import Iterable
from typing import Self

import msgspec

Families = dict[str, dict[str, int]]


class Window(msgspec.Struct, frozen=True):
    """Counts over the last `seconds`, by family and label as in `counters.py`; "" is no label."""

    seconds: float
    counts: Families

    def count(self, family: str, label: str | None = None) -> int:
        """Return a family's count: of one label, or of all."""
        counts = self.counts.get(family, {})
        return sum(counts.values()) if label is None else counts.get(label, 0)

    def per_second(self, family: str, label: str | None = None) -> float:
        """Return a family's average count per second: of one label, or of all."""
        return self.count(family, label) / max(self.seconds, 1)

    def quantile(self, q: float, histogram: str = "hop") -> float | None:
        """Return the quantile `q` of a histogram, in seconds, or None when it counted nothing.

        As Prometheus' `histogram_quantile`: linear within a bucket, and the last bound for durations beyond it.
        """
        buckets = self.counts.get(histogram, {})
        rank = q * sum(buckets.values())
        lower, below = 0.0, 0
        for label, count in buckets.items():
            upper = float(label)
            if count and below + count >= rank:
                return lower if upper == float("inf") else lower + (upper - lower) * (rank - below) / count
            lower, below = upper, below + count
        return None

    @classmethod
    def sum(cls, windows: Iterable["Window"]) -> "Window":
        """Add windows up; the sum lasts as long as the longest."""
        listed = list(windows)
        return cls(max(window.seconds for window in listed), _sum(window.counts for window in listed))


class Series(msgspec.Struct, frozen=True):
    """Counts over steps of `step_minutes`, oldest first; step number `end` since 1970 is the first not in it."""

    step_minutes: int
    end: int
    points: dict[str, list[int]]

    @classmethod
    def sum(cls, series: Iterable["Series"]) -> "Series":
        """Add series up, step by step, up to the end of the newest."""
        listed = list(series)
        end = max(one.end for one in listed)
        points: dict[str, list[int]] = {}
        for one in listed:
            for name, values in one.points.items():
                total = points.setdefault(name, [0] * len(values))
                late = end - one.end
                for place, value in enumerate(values[late:]):
                    total[place] += value
        return cls(listed[0].step_minutes, end, points)


class Gauges(msgspec.Struct, frozen=True, kw_only=True):
    """The connections, clients and calls of a process now; what is said of Redis is None without it."""

    redis_is_up: bool | None
    # Of a version that does not say it.
    redis_is_writable: bool | None = None
    connections: int
    registered_clients: int
    calls_ringing: int
    calls_active: int


class Snapshot(Gauges, frozen=True, kw_only=True):
    """One process at one moment; times are unix seconds."""

    process: str
    host: str
    version: str
    started_at: float
    taken_at: float
    totals: Families
    hour: Window
    day: Window
    minutes: Series
    quarters: Series

    def encode(self) -> bytes:
        """Return the snapshot as JSON."""
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, text: bytes) -> Self | None:
        """Read a snapshot from JSON; return None when another version wrote it and it does not fit."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError:
            return None


class Overview(msgspec.Struct, frozen=True):
    """The snapshots of all processes that live, this one's first, and their sum."""

    processes: list[Snapshot]

    @property
    def total(self) -> Snapshot:
        """Return the sum; its `process` and `host` are empty, it starts with the first process and is as of now."""
        own, snapshots = self.processes[0], self.processes
        return Snapshot(
            process="",
            host="",
            version=own.version,
            started_at=min(one.started_at for one in snapshots),
            taken_at=own.taken_at,
            redis_is_up=own.redis_is_up,
            redis_is_writable=own.redis_is_writable,
            connections=sum(one.connections for one in snapshots),
            registered_clients=sum(one.registered_clients for one in snapshots),
            calls_ringing=sum(one.calls_ringing for one in snapshots),
            calls_active=sum(one.calls_active for one in snapshots),
            totals=_sum(one.totals for one in snapshots),
            hour=Window.sum(one.hour for one in snapshots),
            day=Window.sum(one.day for one in snapshots),
            minutes=Series.sum(one.minutes for one in snapshots),
            quarters=Series.sum(one.quarters for one in snapshots),
        )


def _sum(counted: Iterable[Families]) -> Families:
    total: Families = {}
    for family, counts in itertools.chain.from_iterable(families.items() for families in counted):
        labels = total.setdefault(family, {})
        for label, count in counts.items():
            labels[label] = labels.get(label, 0) + count
    return total
