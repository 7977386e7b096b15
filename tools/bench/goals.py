"""Goals for the server, and whether a run reaches them."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from tools.bench.results import Results

Figure = tuple[str, str, str]  # target, scenario, name
Measure = Callable[[Results], float | None]

DAPHNE, REDIS, REDIS_2 = "ours-daphne-memory", "ours-daphne-redis", "ours-daphne-redis-2"
COST, HOP_P50, HOP_P99, IN_REDIS = "server_us_per_message", "hop_p50_ms", "hop_p99_ms", "redis_us_per_message"


@dataclass(frozen=True, slots=True)
class Goal:
    """At most this."""

    about: str
    unit: str
    limit: float
    measure: Measure


def _value(figure: Figure) -> Measure:
    return lambda results: results.median(*figure)


def _ratio(figure: Figure, other: Figure) -> Measure:
    def measure(results: Results) -> float | None:
        one, two = results.median(*figure), results.median(*other)
        return one / two if one is not None and two else None

    return measure


def _growth(target: str) -> Measure:
    """The cost of a message with 9,800 idle connections by the cost with 200."""
    return _ratio((target, "connections", f"{COST}_idle_9800"), (target, "connections", f"{COST}_idle_200"))


def _faults(results: Results) -> float | None:
    counts = [
        sum(results.values(target, scenario, count))
        for target in (DAPHNE, REDIS, REDIS_2)
        for scenario in ("saturated", "steady", "connections")
        for count in ("lost", "wrong", "dropped_connections")
        if results.values(target, scenario, count)
    ]
    return sum(counts) if counts else None


def _saturated(target: str) -> Figure:
    return target, "saturated", COST


def _steady(target: str, name: str) -> Figure:
    return target, "steady", name


def _connections(target: str, name: str) -> Figure:
    return target, "connections", name


MOST_KIB = 4.0
MESSAGE, TIMES = "µs a message", "×"
HEARTBEAT, CONNECT, RESIDENT = "heartbeat_us_9800", "connect_us_at_9800", "resident_kib_per_connection_9800"
PEERJS, TEXTBOOK, TEXTBOOK_2 = "peerjs", "textbook-memory", "textbook-redis-2"


def _by(other: str, target: str, scenario: str, name: str) -> Measure:
    """The median of what each round's figure is by another target's in that round."""

    def measure(results: Results) -> float | None:
        ratios = results.ratios(target, other, scenario, name)
        return statistics.median(ratios) if ratios else None

    return measure


# Where a bound is a time, the ratio to the textbook's follows it: on a machine of another speed, that one counts.
GOALS = (
    Goal("daphne, memory, saturated, by PeerJS's", TIMES, 0.75, _by(PEERJS, *_saturated(DAPHNE))),
    Goal("by the textbook's", TIMES, 1 / 8, _by(TEXTBOOK, *_saturated(DAPHNE))),
    Goal("daphne at 50 calls/s, by PeerJS's", TIMES, 0.8, _by(PEERJS, *_steady(DAPHNE, COST))),
    Goal("its hop p50, by PeerJS's", TIMES, 1, _by(PEERJS, *_steady(DAPHNE, HOP_P50))),
    Goal("its hop p99, by PeerJS's", TIMES, 1, _by(PEERJS, *_steady(DAPHNE, HOP_P99))),
    Goal("its hop p99", "ms", 1, _value(_steady(DAPHNE, HOP_P99))),
    Goal("with 9,800 idle by with 200 idle, daphne", TIMES, 1.25, _growth(DAPHNE)),
    Goal("the same, daphne with Redis", TIMES, 1.25, _growth(REDIS)),
    Goal("Redis, one process, by in memory", TIMES, 1.2, _ratio(_saturated(REDIS), _saturated(DAPHNE))),
    Goal("Redis, every call across two processes", MESSAGE, 80, _value(_saturated(REDIS_2))),
    Goal("by the textbook's", TIMES, 80 / 530, _by(TEXTBOOK_2, *_saturated(REDIS_2))),
    Goal("the same, in Redis itself", MESSAGE, 5, _value((REDIS_2, "saturated", IN_REDIS))),
    Goal("by the textbook's", TIMES, 5 / 25, _by(TEXTBOOK_2, REDIS_2, "saturated", IN_REDIS)),
    Goal("idle connection, daphne", "KiB", MOST_KIB, _value(_connections(DAPHNE, RESIDENT))),
    Goal("idle connection, Redis", "KiB", MOST_KIB, _value(_connections(REDIS, RESIDENT))),
    Goal("heartbeat, daphne, by PeerJS's", TIMES, 0.7, _by(PEERJS, *_connections(DAPHNE, HEARTBEAT))),
    Goal("by the textbook's", TIMES, 150 / 230, _by(TEXTBOOK, *_connections(DAPHNE, HEARTBEAT))),
    Goal("connect with 9,800 connected, daphne, by PeerJS's", TIMES, 1, _by(PEERJS, *_connections(DAPHNE, CONNECT))),
    Goal("by the textbook's", TIMES, 850 / 7074, _by(TEXTBOOK, *_connections(DAPHNE, CONNECT))),
    Goal("messages lost, altered, out of order; connections dropped", "", 0, _faults),
)
