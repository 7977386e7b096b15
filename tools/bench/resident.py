"""Measure many clients: the memory of an idle one, and the time until all are back that were cut off at once.

    python -m tools.bench.resident                prints the figures, in about two minutes
    python -m tools.bench.resident --json FILE    also keeps them in FILE

They are connected directly, twice as many directly, and behind nginx and HAProxy. Each row has a process of its own,
in memory and on Redis; clients and proxies are other processes. Resident memory is the kernel's figure (VmRSS), after a
few clients have come, so that what everybody shares is loaded.
"""

import argparse
import contextlib
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from tools.bench.behind_nginx import TRUSTED
from tools.bench.connection import BenchError
from tools.bench.goals import MOST_KIB
from tools.bench.load import Load
from tools.bench.processes import CLIENT_CORES
from tools.bench.proxies import haproxy, install_proxies, nginx
from tools.bench.results import Results
from tools.bench.running import Server, running
from tools.bench.targets import TARGETS

MOST_EMPTY_MIB = 95.0
MOST_BACK_SECONDS = 3.0
FIRST = 40
SETTLE_SECONDS = 1
# With more REGISTERs at once Redis is asked for more than is waited for, and a server says RATE_LIMITED to the rest.
AT_ONCE = {"ours-daphne-memory": 20_000, "ours-daphne-redis": 1000}
MANY, TWICE = 9800, 19_500
Front = Callable[[Server, Path], AbstractContextManager[Server]]


def direct(server: Server, _: Path) -> AbstractContextManager[Server]:
    """Put nothing in front of a server."""
    return contextlib.nullcontext(server)


ROWS: dict[str, tuple[Front, int]] = {
    "direct": (direct, MANY),
    "direct, twice as many": (direct, TWICE),
    "behind nginx": (nginx, MANY),
    "behind HAProxy": (haproxy, MANY),
}


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.resident", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also keep the figures there")
    options = parser.parse_args()
    install_proxies()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, CLIENT_CORES)
    results, begin = Results.begin(1, quick=False), time.monotonic()
    for name in AT_ONCE:
        for row, (front, clients) in ROWS.items():
            try:
                with tempfile.TemporaryDirectory(prefix="signaling-bench-") as folder:
                    figures = measure(name, front, clients, Path(folder))
            except (BenchError, OSError) as error:
                print(f"{name}, {row}: failed: {error}", file=sys.stderr)
                return 1
            results.add(name, row, figures)
            print(
                f"{name}, {row}, {clients:,}: {figures['kib_per_connection']:.2f} KiB each, "
                f"{figures['empty_mib']:.1f} MiB without them, all back after {figures['back_seconds']:.2f} s",
                flush=True,
            )
    results.minutes = round((time.monotonic() - begin) / 60, 1)
    if options.json:
        results.write(options.json)
    is_reached = all(
        max(figures["kib_per_connection"]) <= MOST_KIB
        and max(figures["empty_mib"]) <= MOST_EMPTY_MIB
        and max(rows["direct"]["back_seconds"]) <= MOST_BACK_SECONDS
        for rows in results.figures.values()
        for figures in rows.values()
    )
    return 0 if is_reached else 1


def measure(name: str, front: Front, clients: int, folder: Path) -> dict[str, float]:
    """Return KiB of resident memory a connection, MiB of a process without any, and the seconds until all are back."""
    with running(TARGETS[name], folder, **TRUSTED) as inner:
        empty_mib = inner.resident_bytes() / 2**20
        with front(inner, folder) as server:
            first, others = [f"first-{number}" for number in range(FIRST)], clients - FIRST
            idle = [f"idle-{number:05d}" for number in range(others)]
            with contextlib.closing(Load(server.ports, server.target.dialect)) as load:
                load.open(first, idle=True)
                before = server.resident_bytes()
                load.open(idle, idle=True)
                load.run(SETTLE_SECONDS)
                kib = (server.resident_bytes() - before) / others / 1024
            begin = time.perf_counter()
            with contextlib.closing(Load(server.ports, server.target.dialect)) as load:
                load.open(first + idle, idle=True, at_once=AT_ONCE[name])
                back = time.perf_counter() - begin
    return {"kib_per_connection": kib, "empty_mib": empty_mib, "back_seconds": back}


if __name__ == "__main__":
    sys.exit(main())
