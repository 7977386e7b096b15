"""Measure clients that come and go, and clients that publish their keys."""

import contextlib
import time

import redis

from tools.bench.connection import BenchError, Connection
from tools.bench.dialects import SECURECALL
from tools.bench.frames import frame
from tools.bench.load import Load
from tools.bench.processes import resident_bytes
from tools.bench.running import Server
from tools.bench.session import Figures, Progress

ARRIVING = 2000
FIRST = 40  # before the figures begin, so that nothing is loaded for the first time
PUBLISHING = 500
SETTLE_SECONDS = 30
LAST_STEPS_SECONDS = 1  # what follows UNSUBSCRIBE
COMMANDS = ("evalsha", "publish", "subscribe", "unsubscribe")  # those that processes send while they serve


def arrivals(server: Server, progress: Progress) -> Figures:
    """Measure the cost of a client that connects, registers and goes again, all included."""
    with contextlib.closing(Load(server.ports, SECURECALL)) as load, redis.Redis(port=server.redis_port) as counted:
        load.open([f"first-{number}" for number in range(FIRST)], idle=True)
        figures = {"resident_mib_per_process": server.resident_bytes() / server.target.processes / 2**20}
        subscribed = counted.info("stats")["pubsub_channels"]
        before = _state(server, counted)
        load.open([f"arriving-{number:05d}" for number in range(ARRIVING)], idle=True)
        there = _state(server, counted)
        figures |= {name: (there[name] - before[name]) / ARRIVING for name in there}
        for connection in list(load.connections.values())[FIRST:]:
            connection.socket.close()
        limit = time.monotonic() + SETTLE_SECONDS
        while counted.info("stats")["pubsub_channels"] > subscribed:
            if time.monotonic() > limit:
                raise BenchError("clients that left are still registered")
            time.sleep(0.1)
        time.sleep(LAST_STEPS_SECONDS)
        gone = _state(server, counted)
    for name in ("server_us", "redis_us", "redis_commands"):
        figures[f"leaving_{name}"] = (gone[name] - there[name]) / ARRIVING
    progress(", ".join(f"{name} {value:.1f}" for name, value in figures.items()))
    return figures


def _state(server: Server, counted: "redis.Redis") -> Figures:
    calls = counted.info("commandstats")
    return {
        "server_us": server.cpu_seconds() * 1e6,
        "redis_us": server.redis_cpu_seconds() * 1e6,
        "proxy_us": server.proxy_cpu_seconds() * 1e6,
        "redis_commands": sum(calls.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in COMMANDS),
        "redis_kib": counted.info("memory")["used_memory"] / 1024,
        "proxy_kib": sum(map(resident_bytes, server.proxy)) / 1024,
    }


def directory(server: Server, progress: Progress) -> Figures:
    """Registered clients publish the key that they published before, all at once: what a reconnect storm asks."""
    with contextlib.closing(Load(server.ports, SECURECALL)) as load:
        clients = load.open([f"publishing-{number:04d}" for number in range(PUBLISHING)], idle=False)
        answers: list[bytes] = []
        for client in clients:
            client.deliver = lambda data, start, end: answers.append(data[start:end])
        _publish_all(load, clients, answers)
        before, begin = server.cpu_seconds(), time.perf_counter()
        _publish_all(load, clients, answers)
        seconds, cpu = time.perf_counter() - begin, server.cpu_seconds() - before
    figures = {"server_us_per_publish": cpu / PUBLISHING * 1e6, "publishes_per_second": PUBLISHING / seconds}
    progress(", ".join(f"{name} {value:.0f}" for name, value in figures.items()))
    return figures


def _publish_all(load: Load, clients: list[Connection], answers: list[bytes]) -> None:
    answers.clear()
    for client in clients:
        payload = f'{{"clientId":"{client.client}","publicKey":"{client.client * 4}"}}'
        client.send(frame(f'{{"type":"PKD_REGISTER","payload":{payload}}}'.encode()))
    limit = time.monotonic() + SETTLE_SECONDS
    while len(answers) < len(clients):
        load.poll(0.1)
        if time.monotonic() > limit:
            raise BenchError(f"{len(answers)} of {len(clients)} keys published")
    if wrong := [answer for answer in answers if b'"PKD_RESULT"' not in answer]:
        raise BenchError(f"not published: {wrong[0][:200]!r}")
