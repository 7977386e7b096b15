"""A load client on a running server, and what both take between two moments."""

import gc
import time
from collections.abc import Callable
from typing import Self

from tools.bench.calls import Calls
from tools.bench.load import Load
from tools.bench.plan import PAIRS, Plan
from tools.bench.processes import machine_cpu_seconds
from tools.bench.running import Server

Figures = dict[str, float]
Progress = Callable[[str], None]

OPENED_TOGETHER = 100
ENOUGH_MESSAGES = 400
ENOUGH_WARM_UP = 100
PATIENCE_SECONDS = 12
IDLE_SHARE = 0.2


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


class Session:
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
        """Return whether the server did little since the last time this was asked."""
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
