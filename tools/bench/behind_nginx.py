"""Compare what a message costs in one, two and four daphne processes on one Redis behind nginx.

    python -m tools.bench.behind_nginx                three rounds, about 3 minutes; keeps the figures in results/
    python -m tools.bench.behind_nginx --rounds 1     one round, about a minute
    python -m tools.bench.behind_nginx --json FILE    keep the figures in FILE instead

One, two and four processes of `python -m securecall_site.server` share the first core; the load client, Redis and a
private nginx have the second. Each process brings forty pairs that call back to back. nginx gives the connections out
in turn, so that with one process every call stays inside and with more every call is across. Then, with four: what an
arriving client costs all processes, and with one process on Postgres: how many keys a second the one thread for the
database publishes. nginx (Debian's) and Postgres run with a configuration of their own in a temporary folder; nginx is
installed when it is missing. `python -m tools.bench.scaling` makes tables of the figures.
"""

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.support.services import NotInstalledError, postgres_server
from tools.bench.arrivals import arrivals, directory
from tools.bench.connection import BenchError
from tools.bench.plan import LATER_ROUND, PAIRS
from tools.bench.processes import CLIENT_CORES
from tools.bench.proxies import install_proxies, nginx, nginx_version
from tools.bench.results import RESULTS, Results
from tools.bench.running import running
from tools.bench.scenarios import saturated
from tools.bench.targets import TARGETS, Target

ROUNDS = 3
PROCESSES = (1, 2, 4)
FLAT = 1.15  # the greatest cost of a message across processes, by the least
# The clients' addresses come from nginx, as they would in production.
TRUSTED = {"TRUSTED_PROXIES": "127.0.0.0/8", "CLIENT_ADDRESS_HEADER": "x-real-ip"}


def main() -> int:
    """Run what the command line asks for."""
    options = _options()
    for ending in (signal.SIGINT, signal.SIGTERM):  # both end what was started
        signal.signal(ending, signal.default_int_handler)
    install_proxies()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    results = Results.begin(options.rounds, quick=False)
    results.versions["nginx"] = nginx_version()
    os.sched_setaffinity(0, CLIENT_CORES)
    begin = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="signaling-bench-") as folder:
            for number in range(options.rounds):
                _round(results, number, Path(folder))
    except (BenchError, OSError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; what was started is ended", file=sys.stderr)
        return 130
    results.minutes = round((time.monotonic() - begin) / 60, 1)
    kept = options.json or RESULTS / f"{Path(results.file_name).stem}-behind-nginx.json"
    results.write(kept)
    is_flat, verdict = flatness(results)
    print(verdict, f"wrote {kept.name}", sep="\n")
    return 0 if is_flat and not faults(results) else 1


def behind_nginx(processes: int) -> Target:
    """So many of ours with Redis."""
    name = f"behind-nginx-{processes}"
    return replace(TARGETS["ours-daphne-redis"], name=name, processes=processes)


def flatness(results: Results) -> tuple[bool, str]:
    """Return whether a message across processes costs the same however many there are, and that in words."""
    costs = {
        count: results.median(behind_nginx(count).name, "saturated", "server_us_per_message") or 0.0
        for count in PROCESSES
    }
    across = [cost for count, cost in costs.items() if count > 1]
    growth = max(across) / min(across)
    is_flat = growth <= FLAT
    listed = ", ".join(f"{count}: {cost:.1f} µs" for count, cost in costs.items())
    verdict = f"{'' if is_flat else '**not** '}flat within {(FLAT - 1) * 100:.0f} %"
    return is_flat, (
        f"A relayed message by the number of processes: {listed}. From two to four, where every call is across, "
        f"the greatest cost is {growth:.2f} × the least: {verdict}. "
        f"Messages lost, altered or out of order: {faults(results)}."
    )


def faults(results: Results) -> int:
    """Messages lost or wrong and connections dropped in all rounds."""
    scenarios = [figures for target in results.figures.values() for figures in target.values()]
    names = ("lost", "unfinished", "wrong", "dropped_connections")
    return round(sum(sum(figures.get(name, ())) for figures in scenarios for name in names))


def _round(results: Results, number: int, folder: Path) -> None:
    for processes in PROCESSES:
        target = behind_nginx(processes)
        _say(f"round {number + 1}: {processes} {'process' if processes == 1 else 'processes'} behind nginx")
        with running(target, folder, **TRUSTED) as inner, nginx(inner, folder) as server:
            results.add(target.name, "saturated", saturated(server, LATER_ROUND, _say_indented, PAIRS * processes))
        if processes == max(PROCESSES):
            with running(target, folder, **TRUSTED) as inner, nginx(inner, folder) as server:
                results.add(target.name, "arrivals", arrivals(server, _say_indented))
    try:
        with (
            postgres_server() as postgres,
            running(TARGETS["ours-daphne-redis"], folder, DATABASE_URL=postgres.url) as server,
        ):
            results.add(server.target.name, "directory", directory(server, _say_indented))
    except NotInstalledError as missing:
        _say_indented(f"left out: the directory ({missing})")
        results.left_out["directory"] = str(missing)


def _say(line: str) -> None:
    print(line, flush=True)


def _say_indented(line: str) -> None:
    _say(f"    {line}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.behind_nginx", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default {ROUNDS}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures there, not in tools/bench/results")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
