"""What is measured on a running server. Every figure is named with its unit."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from tools.bench.calls import Calls
from tools.bench.load import Load
from tools.bench.processes import machine_cpu_seconds
from tools.bench.running import Server

Figures = dict[str, float]
Progress = Callable[[str], None]

PAIRS = 40
STEADY_CALLS_PER_SECOND = 50
OPENED_TOGETHER = 100
OPENED_LATE, OPENED_LATE_SECONDS = 1000, 5  # connections made while many are there
RESIDENT_SETTLE_SECONDS = 0.5
ENOUGH_MESSAGES = 400
ENOUGH_WARM_UP = 100
PATIENCE_SECONDS = 12
IDLE_SHARE = 0.2
DISTURBED_PERCENT = 8  # of a core, by what else the machine does


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, and how many."""

    warm_up_seconds: float
    saturated_seconds: float
    steady_seconds: float
    cost_seconds: float  # at each number of idle connections
    idle_levels: tuple[int, ...]
    # At the real rate. Python's servers ping every 20 s, all the clients that came together at once.
    heartbeat_seconds: float
    heartbeat_seconds_without_pings: float
    heartbeat_levels: tuple[int, ...]


QUICK = Plan(0.6, 1.2, 1.5, 0.8, (200, 1000), 3, 3, (1000,))
FIRST_ROUND = Plan(0.8, 2.5, 4, 2, (200, 1000, 3000, 9800), 20, 8, (1000, 9800))
LATER_ROUND = Plan(0.8, 2.5, 4, 2, (200, 1000, 9800), 20, 8, (9800,))


class Window:
    """CPU and messages between two moments."""

    def __init__(self, server: Server, calls: Calls) -> None:
        """Begin now."""
        self.server, self.calls = server, calls
        self.begin = self._now()

    def _now(self) -> tuple[float, float, float, float, float, float, int, int]:
        return (
            time.perf_counter(),
            self.server.cpu_seconds(),
            self.server.redis_cpu_seconds(),
            self.server.proxy_cpu_seconds(),
            time.process_time(),
            machine_cpu_seconds(),
            self.calls.received,
            self.calls.account.calls,
        )

    def end(self) -> Figures:
        """Figures from the beginning until now."""
        seconds, server, redis, proxy, client, machine, messages, calls = (
            now - then for now, then in zip(self._now(), self.begin, strict=True)
        )
        figures = {
            "server_us_per_message": server / max(messages, 1) * 1e6,
            "server_busy_percent": server / seconds * 100,
            "client_us_per_message": client / max(messages, 1) * 1e6,
            "client_busy_percent": client / seconds * 100,
            "others_busy_percent": max(0.0, machine - server - redis - proxy - client) / seconds * 100,
            "messages_per_second": messages / seconds,
            "calls_per_second": calls / seconds,
            "messages": messages,
        }
        if self.server.redis:
            figures["redis_us_per_message"] = redis / max(messages, 1) * 1e6
        if self.server.proxy:
            figures["proxy_us_per_message"] = proxy / max(messages, 1) * 1e6
        return figures


def saturated(server: Server, plan: Plan, progress: Progress, pairs: int = PAIRS) -> Figures:
    """Forty pairs, or so many, call back to back."""
    with _Session(server, progress, pairs) as session:
        figures = session.saturate(plan.warm_up_seconds, plan.saturated_seconds)
    progress(
        f"{figures['server_us_per_message']:.1f} µs a message, {figures['calls_per_second']:.0f} calls/s"
        + _disturbance(figures)
    )
    return figures


def steady(server: Server, plan: Plan, progress: Progress) -> Figures:
    """Fifty calls a second, evenly; in each, both sides' candidates go out at once, as browsers send them."""
    with _Session(server, progress) as session:
        session.saturate(plan.warm_up_seconds, 0)
        wanted = int(plan.steady_seconds * STEADY_CALLS_PER_SECOND)
        starts = [number / STEADY_CALLS_PER_SECOND for number in range(wanted)]
        hops: list[float] = []
        session.calls.account.hop_seconds = hops
        window = Window(server, session.calls)
        late = session.calls.run_steadily(starts)
        figures = window.end()
        figures |= session.drain()
        hops.sort()
        figures |= {
            "hop_p50_ms": hops[len(hops) // 2] * 1e3,
            "hop_p99_ms": hops[len(hops) * 99 // 100] * 1e3,
            "hop_max_ms": hops[-1] * 1e3,
            "latest_start_ms": late * 1e3,
        }
    progress(
        f"{figures['server_us_per_message']:.1f} µs a message, "
        f"p50 {figures['hop_p50_ms']:.2f} ms, p99 {figures['hop_p99_ms']:.2f} ms" + _disturbance(figures)
    )
    return figures


def connections(server: Server, plan: Plan, progress: Progress) -> Figures:
    """Idle clients arrive in steps; at each, what a message costs, and what they cost themselves."""
    with _Session(server, progress) as session:
        cost = session.saturate(plan.warm_up_seconds, plan.cost_seconds)
        figures = {"server_us_per_message_idle_0": cost["server_us_per_message"]}
        empty = server.resident_bytes()
        for level in plan.idle_levels:
            figures[f"connect_us_up_to_{level}"] = session.open_idle(level - session.idle)
            session.load.run(RESIDENT_SETTLE_SECONDS)
            figures[f"resident_kib_per_connection_{level}"] = (server.resident_bytes() - empty) / level / 1024
            if level in plan.heartbeat_levels:
                figures |= session.heartbeats(plan)
            if level == plan.idle_levels[-1]:
                figures[f"connect_us_at_{level}"] = session.open_idle(OPENED_LATE, OPENED_LATE_SECONDS)
            cost = session.saturate(0.3, plan.cost_seconds)
            figures[f"server_us_per_message_idle_{level}"] = cost["server_us_per_message"]
            figures["others_busy_percent"] = cost["others_busy_percent"]
            progress(_in_words(figures, level))
        figures |= session.faults
    return figures


def _disturbance(figures: Figures) -> str:
    others = figures["others_busy_percent"]
    return f"; other processes took {others:.0f} % of a core" if others > DISTURBED_PERCENT else ""


def _in_words(figures: Figures, level: int) -> str:
    words = {
        f"server_us_per_message_idle_{level}": "{:.1f} µs a message",
        f"connect_us_up_to_{level}": "{:.0f} µs to connect",
        f"connect_us_at_{level}": "{:.0f} µs once all are there",
        f"resident_kib_per_connection_{level}": "{:.1f} KiB each",
        f"heartbeat_us_{level}": "{:.0f} µs a heartbeat",
    }
    return f"{level} idle: " + ", ".join(text.format(figures[key]) for key, text in words.items() if key in figures)


SCENARIOS = {"saturated": saturated, "steady": steady, "connections": connections}


class _Session:
    """A load client with its pairs, and the garbage collector out of the way."""

    def __init__(self, server: Server, progress: Progress, pairs: int = PAIRS) -> None:
        self.server, self.progress, self.pairs = server, progress, pairs
        self.load = Load(server.ports, server.target.dialect)
        self.idle = 0
        self.asked = (0.0, 0.0)
        self.faults = dict.fromkeys(("lost", "unfinished", "wrong", "dropped_connections"), 0)

    def __enter__(self) -> Self:
        names = [f"bench-{side}-{number:03d}" for number in range(self.pairs) for side in ("caller", "callee")]
        try:
            self.calls = Calls(self.load, self.load.open(names, idle=False))
        except BaseException:
            self.load.close()
            raise
        gc.collect()
        gc.disable()
        return self

    def __exit__(self, *_: object) -> None:
        gc.enable()
        self.load.close()

    def saturate(self, warm_up_seconds: float, seconds: float) -> Figures:
        """Call back to back, first unmeasured, then measured."""
        self.calls.saturate()
        self._run(warm_up_seconds, ENOUGH_WARM_UP)
        window = Window(self.server, self.calls)
        if not seconds:
            return self.drain()
        self._run(seconds, ENOUGH_MESSAGES)
        return window.end() | self.drain()

    def _run(self, seconds: float, messages: int) -> None:
        """Run for this long; a server that needs 30 ms a message gets more time, for a figure."""
        enough, limit = self.calls.received + messages, time.perf_counter() + PATIENCE_SECONDS
        self.load.run(seconds)
        while self.calls.received < enough and time.perf_counter() < limit:
            self.load.run(0.2)

    def _is_server_idle(self) -> bool:
        """Whether it did little since the last time this was asked."""
        now, spent = time.perf_counter(), self.server.cpu_seconds()
        then, spent_then = self.asked
        self.asked = now, spent
        return (spent - spent_then) / (now - then) < IDLE_SHARE

    def heartbeats(self, plan: Plan) -> Figures:
        """Every idle client's heartbeats at their real rate for a while."""
        node = self.server.target.node
        seconds = plan.heartbeat_seconds_without_pings if node else plan.heartbeat_seconds
        before, redis_before = self.server.cpu_seconds(), self.server.redis_cpu_seconds()
        beats = self.load.run_heartbeats(seconds)
        figures = {f"heartbeat_us_{self.idle}": (self.server.cpu_seconds() - before) / beats * 1e6}
        if self.server.redis:
            redis_us = (self.server.redis_cpu_seconds() - redis_before) / beats * 1e6
            figures[f"heartbeat_redis_us_{self.idle}"] = redis_us
        return figures

    def drain(self) -> Figures:
        """End the calls under way; every fault of this session so far."""
        lost, unfinished = self.calls.drain(self._is_server_idle)
        wrong, dropped = self.calls.account.wrong, self.load.closed_by_server
        if len(wrong) + len(dropped) > self.faults["wrong"] + self.faults["dropped_connections"]:
            self.progress("; ".join([*wrong[-1:], *dropped[-1:]]))
        if lost or unfinished:
            self.progress(f"{lost} messages lost, {unfinished} still on their way")
        self.faults["lost"] += lost
        self.faults["unfinished"] += unfinished
        self.faults |= {"wrong": len(wrong), "dropped_connections": len(dropped)}
        return dict(self.faults)

    def open_idle(self, number: int, limit_seconds: float = 300) -> float:
        """Connect and register so many clients, or what the time allows. Gives the server's CPU for each in µs."""
        before, opened = self.server.cpu_seconds(), 0
        limit = time.perf_counter() + limit_seconds
        while opened < number and time.perf_counter() < limit:
            names = [f"idle-{self.idle + one:05d}" for one in range(min(number - opened, OPENED_TOGETHER))]
            self.load.open(names, idle=True)
            self.idle += len(names)
            opened += len(names)
        return (self.server.cpu_seconds() - before) / opened * 1e6
