"""Compute from measured figures what 10,000, 100,000 and 1,000,000 connected clients take.

    python -m tools.bench.scaling                        print the tables, from the newest run in tools/bench/results
    python -m tools.bench.scaling --results FILE         from another run of `python -m tools.bench`
    python -m tools.bench.scaling --behind-nginx FILE    and another one of `python -m tools.bench.behind_nginx`
    python -m tools.bench.scaling --write                put the tables into docs/scaling.md

The arithmetic is tools/bench/demand.py's; what is not measured is a field of its `Assumptions`.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path

from tests.support.servers import ROOT
from tools.bench.behind_nginx import PROCESSES, behind_nginx, flatness
from tools.bench.demand import ASSUMED, BUSY_REDIS, GIB, KIB, Assumptions, Demand
from tools.bench.report import spread
from tools.bench.results import RESULTS, Results
from tools.bench.sources import BENCH, NGINX, SOURCES, measured_in

PAGE = ROOT / "docs" / "scaling.md"
BEGIN, END = "<!-- figures: begin, written by `python -m tools.bench.scaling --write` -->", "<!-- figures: end -->"
BEHIND_NGINX = "-behind-nginx.json"
SIZES = (10_000, 100_000, 1_000_000)

Cell = Callable[[Demand], float]
IN_A_STORM = f"in {ASSUMED.storm_seconds} s"
DERIVED: tuple[tuple[str, Cell], ...] = (
    ("daphne processes", lambda d: d.processes),
    ("their memory, GiB", lambda d: d.memory_gib),
    ("heartbeats a second", lambda d: d.heartbeats),
    ("calls a second, busiest hour", lambda d: d.calls),
    ("relayed messages a second", lambda d: d.messages),
    ("share of them across processes, %", lambda d: d.across * 100),
    ("connects a second", lambda d: d.connects),
    ("cores busy, all processes together", lambda d: d.cores),
    ("a process' core busy, %", lambda d: d.cores / d.processes * 100),
    ("nginx's cores busy, without TLS", lambda d: d.proxy_cores),
    ("nginx's memory, GiB", lambda d: d.clients * d.measured.proxy_kib * KIB / GIB),
    ("Redis commands a second", lambda d: d.redis_commands),
    ("Redis' core busy, %", lambda d: d.redis_cores * 100),
    ("Redis' memory, GiB", lambda d: d.clients * d.measured.redis_kib * KIB / GIB),
    ("database transactions a second", lambda d: d.transactions),
    ("rows written a second", lambda d: d.written_rows),
    ("Postgres connections", lambda d: d.processes),
    ("Mbit/s, both directions together", lambda d: d.megabits),
)
STORM: tuple[tuple[str, Cell], ...] = (
    ("seconds of work for each process", lambda d: d.storm_process_seconds),
    ("seconds of work for each process' database thread", lambda d: d.storm_database_seconds),
    ("seconds of work for one Redis", lambda d: d.storm_redis_seconds),
    (f"{IN_A_STORM}: Redis commands a second", lambda d: d.storm_commands),
    (
        f"in {ASSUMED.storm_seconds} s: Redis primaries at {BUSY_REDIS * 100:.0f} % that this takes",
        lambda d: d.storm_primaries,
    ),
    (f"{IN_A_STORM}: database transactions a second", lambda d: d.storm_transactions),
)


def tables(results: Results, behind: Results) -> str:
    """Everything between the page's markers, in Markdown."""
    measured = measured_in(results, behind)
    demands = [Demand(clients, measured) for clients in SIZES]
    sizes = [f"{clients:,}" for clients in SIZES]
    parts = [
        f"From `{results.file_name}` and `{_stem(behind)}{BEHIND_NGINX}` in `tools/bench/results/`.",
        "### Assumed",
        _table(
            ["", "assumed"],
            ([field.name.replace("_", " "), _short(getattr(ASSUMED, field.name))] for field in fields(Assumptions)),
        ),
        "### Measured (µs are CPU time; messages at 50 calls a second)",
        _table(
            ["", "measured", ""],
            ([source.about, _short(getattr(measured, name)), source.unit] for name, source in SOURCES.items()),
        ),
        "### Derived: every day",
        _table(["connected clients", *sizes], _rows(DERIVED, demands)),
        "### Derived: everybody reconnects at once",
        _table(["connected clients", *sizes], _rows(STORM, demands)),
        "### Measured: processes behind nginx",
        _behind_nginx(behind),
        flatness(behind)[1],
    ]
    return "\n\n".join(parts)


def write_page(results: Results, behind: Results) -> None:
    """Replace what stands between the markers of docs/scaling.md; the prose around it stays."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{tables(results, behind)}\n\n{END}{after}")


def newest(*, is_behind_nginx: bool) -> Path:
    """The newest kept run of that kind. Raises `LookupError` where there is none."""
    kept = [path for path in RESULTS.glob("*.json") if path.name.endswith(BEHIND_NGINX) == is_behind_nginx]
    if not kept:
        raise LookupError(f"tools/bench/results has no run of `{NGINX if is_behind_nginx else BENCH}`")
    return max(kept, key=lambda path: path.name)


def main() -> int:
    """Print the tables, or write them into the page."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.scaling", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--results", type=Path, metavar="FILE", help="a run of `python -m tools.bench`")
    parser.add_argument(
        "--behind-nginx", type=Path, metavar="FILE", help="a run of `python -m tools.bench.behind_nginx`"
    )
    parser.add_argument("--write", action="store_true", help="write them into docs/scaling.md")
    options = parser.parse_args()
    try:
        results = Results.read(options.results or newest(is_behind_nginx=False))
        behind = Results.read(options.behind_nginx or newest(is_behind_nginx=True))
        if options.write:
            write_page(results, behind)
            print("wrote", PAGE.relative_to(ROOT))
        else:
            print(tables(results, behind))
    except LookupError as error:
        print(*error.args, file=sys.stderr)
        return 1
    return 0


def _rows(lines: Iterable[tuple[str, Cell]], demands: list[Demand]) -> Iterable[list[str]]:
    return ([about, *(_short(cell(demand)) for demand in demands)] for about, cell in lines)


def _behind_nginx(behind: Results) -> str:
    figures = (
        "server_us_per_message",
        "redis_us_per_message",
        "proxy_us_per_message",
        "calls_per_second",
        "server_busy_percent",
    )
    heads = ["processes", "µs a message, all processes", "Redis, µs", "nginx, µs", "calls/s", "their core busy, %"]
    rows = (
        [str(count), *(spread(behind.values(behind_nginx(count).name, "saturated", figure)) for figure in figures)]
        for count in PROCESSES
    )
    return _table(heads, rows)


def _stem(results: Results) -> str:
    return results.file_name.removesuffix(".json")


def _short(number: float) -> str:
    """Three digits; whole from a hundred on."""
    if number == int(number) or number >= 100:  # noqa: PLR2004
        return f"{number:,.0f}"
    return f"{number:.3g}"


def _table(heads: list[str], rows: Iterable[list[str]]) -> str:
    rule = ["---", *["---:" for _ in heads[1:]]]
    return "\n".join("| " + " | ".join(row) + " |" for row in [heads, rule, *rows])


if __name__ == "__main__":
    sys.exit(main())
