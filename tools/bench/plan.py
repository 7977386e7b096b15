"""The length of each scenario, and its number of clients."""

from dataclasses import dataclass

PAIRS = 40


@dataclass(frozen=True, slots=True)
class Plan:
    """The seconds and the levels of a round."""

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
