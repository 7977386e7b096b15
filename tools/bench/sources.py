"""The sources of the measured figures in docs/scaling.md: run, target and scenario."""

from dataclasses import dataclass, fields

from tools.bench.behind_nginx import PROCESSES, behind_nginx
from tools.bench.demand import Measured
from tools.bench.results import Results

ONE, TWO = "ours-daphne-redis", "ours-daphne-redis-2"
MOST = behind_nginx(max(PROCESSES)).name
BENCH, NGINX = "python -m tools.bench", "python -m tools.bench.behind_nginx"
COST, REDIS_COST = "server_us_per_message", "redis_us_per_message"


@dataclass(frozen=True, slots=True)
class Source:
    """The place of a measured figure in the runs, with its name and unit."""

    about: str
    unit: str
    run: str
    target: str
    scenario: str
    figure: str  # {level} is the greatest number of idle connections with heartbeats


SOURCES = {
    "heartbeat_us": Source("a heartbeat", "µs", BENCH, ONE, "connections", "heartbeat_us_{level}"),
    "within_us": Source("a relayed message within a process", "µs", BENCH, ONE, "steady", COST),
    "across_us": Source("the same across processes, both together", "µs", BENCH, TWO, "steady", COST),
    "connect_us": Source("connect and REGISTER", "µs", BENCH, ONE, "connections", "connect_us_at_{level}"),
    "leave_us": Source("leave", "µs", NGINX, MOST, "arrivals", "leaving_server_us"),
    "publish_us": Source("PKD_REGISTER of a known key", "µs", NGINX, ONE, "directory", "server_us_per_publish"),
    "publishes_per_second": Source(
        "the same, by a process' one thread", "a second", NGINX, ONE, "directory", "publishes_per_second"
    ),
    "connection_kib": Source("an idle client", "KiB", BENCH, ONE, "connections", "resident_kib_per_connection_{level}"),
    "process_mib": Source("a process without clients", "MiB", NGINX, MOST, "arrivals", "resident_mib_per_process"),
    "redis_within_us": Source("Redis: a message within a process", "µs", BENCH, ONE, "steady", REDIS_COST),
    "redis_across_us": Source("Redis: a message across processes", "µs", BENCH, TWO, "steady", REDIS_COST),
    "redis_connect_us": Source("Redis: connect and REGISTER", "µs", NGINX, MOST, "arrivals", "redis_us"),
    "redis_leave_us": Source("Redis: leave", "µs", NGINX, MOST, "arrivals", "leaving_redis_us"),
    "redis_commands_to_connect": Source(
        "Redis: connect and REGISTER", "commands", NGINX, MOST, "arrivals", "redis_commands"
    ),
    "redis_commands_to_leave": Source("Redis: leave", "commands", NGINX, MOST, "arrivals", "leaving_redis_commands"),
    "redis_kib": Source("Redis: a registered client", "KiB", NGINX, MOST, "arrivals", "redis_kib"),
    "proxy_message_us": Source("nginx: a relayed message", "µs", NGINX, MOST, "saturated", "proxy_us_per_message"),
    "proxy_connect_us": Source("nginx: connect", "µs", NGINX, MOST, "arrivals", "proxy_us"),
    "proxy_kib": Source("nginx: an idle client", "KiB", NGINX, MOST, "arrivals", "proxy_kib"),
}


def measured_in(results: Results, behind: Results) -> Measured:
    """Return the medians of two runs. Raises `LookupError` for what a run has not measured."""
    return Measured(**{field.name: _value(field.name, results, behind) for field in fields(Measured)})


def _value(name: str, results: Results, behind: Results) -> float:
    source = SOURCES[name]
    run = behind if source.run == NGINX else results
    prefix = "heartbeat_us_"
    levels = [figure.removeprefix(prefix) for figure in results.figures[ONE]["connections"] if prefix in figure]
    figure = source.figure.format(level=max(map(int, levels)))
    median = run.median(source.target, source.scenario, figure)
    if median is None:
        raise LookupError(f"no {figure} of {source.target}, which `{source.run}` measures ({source.scenario})")
    return median
