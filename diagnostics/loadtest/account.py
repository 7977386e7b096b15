"""Count what a load met: every message of every call, how long each was on its way, and the server's errors."""

import asyncio
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

# A process that works this share of the time has no time to measure.
SATURATED_SHARE = 0.9
# Nor has one whose timers go off this late, in milliseconds.
STARVED_MS = 20
TICK_SECONDS = 0.02


@dataclass
class Account:
    """Filled while the load runs; times in seconds."""

    clients: int
    calls_per_second: float
    connected: int = 0
    connecting_seconds: float = 0
    connect_seconds: "array[float]" = field(default_factory=lambda: array("d"))
    not_connected: Counter[str] = field(default_factory=Counter)  # by a sentence each
    calls_started: int = 0
    calls_finished: int = 0
    calling_seconds: float = 0
    cpu_share: float = 0
    late_seconds: "array[float]" = field(default_factory=lambda: array("d"))  # of this process's own timers
    sent: int = 0
    hop_seconds: "array[float]" = field(default_factory=lambda: array("d"))
    lost: int = 0
    altered: int = 0
    out_of_order: int = 0
    errors: Counter[str] = field(default_factory=Counter)  # by the protocol's code
    closes: Counter[int] = field(default_factory=Counter)  # by close code
    is_refused_by_address: bool = False
    is_interrupted: bool = False

    @property
    def is_well(self) -> bool:
        """Return whether all clients connected, all calls finished, and no message was lost, altered or refused."""
        all_connected = self.connected == self.clients or (self.is_interrupted and not self.not_connected)
        nothing_amiss = not (self.lost or self.altered or self.out_of_order or self.errors or self.closes)
        return all_connected and nothing_amiss and self.calls_finished == self.calls_started

    @property
    def is_saturated(self) -> bool:
        """Return whether the load client used all the CPU that a process can."""
        return self.cpu_share > SATURATED_SHARE

    @property
    def is_starved(self) -> bool:
        """Return whether the machine was too busy with other work to let the load client measure."""
        late = percentiles(self.late_seconds)
        return late is not None and late["p99"] > STARVED_MS

    def as_json(self) -> dict[str, Any]:
        """Every figure for machines; times in milliseconds."""
        return {
            "ok": self.is_well,
            "interrupted": self.is_interrupted,
            "clients": {
                "asked": self.clients,
                "connected": self.connected,
                "perSecond": rate(self.connected, self.connecting_seconds),
                "connectMs": percentiles(self.connect_seconds),
                "notConnected": dict(self.not_connected),
            },
            "calls": {
                "askedPerSecond": self.calls_per_second,
                "startedPerSecond": rate(self.calls_started, self.calling_seconds),
                "started": self.calls_started,
                "finished": self.calls_finished,
            },
            "messages": {
                "sent": self.sent,
                "delivered": len(self.hop_seconds),
                "lost": self.lost,
                "altered": self.altered,
                "outOfOrder": self.out_of_order,
            },
            "hopMs": percentiles(self.hop_seconds),
            "errors": dict(self.errors),
            "closes": {str(code): count for code, count in self.closes.items()},
            "client": {"cpuShare": round(self.cpu_share, 3), "lateMs": percentiles(self.late_seconds)},
        }


def rate(count: int, seconds: float) -> float:
    """Return how many there were a second."""
    return round(count / seconds, 1) if seconds else 0.0


def percentiles(seconds: Sequence[float]) -> dict[str, float] | None:
    """The median, the 99th percentile and the longest, in milliseconds; None when there are none."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    last = len(ordered) - 1
    places = {"p50": round(last * 0.5), "p99": round(last * 0.99), "max": last}
    return {name: round(ordered[place] * 1000, 2) for name, place in places.items()}


async def measure_lateness(account: Account) -> None:
    """Note again and again how late this process comes to what it is to do: so late it also is to every message."""
    while True:
        begin = time.perf_counter()
        await asyncio.sleep(TICK_SECONDS)
        account.late_seconds.append(max(0.0, time.perf_counter() - begin - TICK_SECONDS))
