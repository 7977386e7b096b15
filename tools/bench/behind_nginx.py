"""Several daphne processes on one Redis behind nginx: whether a message still costs the same.

    python -m tools.bench.behind_nginx                three rounds, about 3 minutes; keeps the figures in results/
    python -m tools.bench.behind_nginx --rounds 1     one round, about a minute
    python -m tools.bench.behind_nginx --json FILE    keep the figures in FILE instead

One, two and four processes of `python -m securecall_site.server` share the first core; the load client, Redis and a
private nginx have the second. Each process brings forty pairs that call back to back. nginx gives the connections out
in turn, so that with one process every call stays inside and with more every call is across. Then, with four: what an
arriving client costs everybody, and with one process on Postgres: how many keys a second the one thread for the
database publishes. nginx (Debian's) and Postgres run with a configuration of their own in a temporary folder; nginx is
installed when it is missing. `python -m tools.bench.scaling` makes tables of the figures.
"""

import argparse
import contextlib
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.support.servers import ROOT
from tests.support.services import NotInstalledError, postgres_server
from tests.support.services.process import free_port
from tools.bench.arrivals import arrivals, directory
from tools.bench.load import BenchError
from tools.bench.processes import CLIENT_CORES, HOST, await_port, process
from tools.bench.results import RESULTS, Results
from tools.bench.running import Server, running
from tools.bench.scenarios import LATER_ROUND, PAIRS, saturated
from tools.bench.targets import TARGETS, Target

ROUNDS = 3
PROCESSES = (1, 2, 4)
FLAT = 1.15  # the greatest cost of a message across processes, by the least
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"  # not on everybody's PATH
TRUSTED = {"TRUSTED_PROXIES": "127.0.0.0/8"}  # the clients' addresses come from nginx, as they would in production

CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
worker_rlimit_nofile {files};
events {{ worker_connections {files}; }}
http {{
  access_log off;
  {temporary}
  upstream signaling {{
    {servers}
  }}
  server {{
    listen {host}:{port} backlog=4096;
    location / {{
      proxy_pass http://signaling;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
      proxy_set_header Host $http_host;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-Proto https;
      proxy_read_timeout 90s;
    }}
  }}
}}
"""


def main() -> int:
    """Run what the command line asks for."""
    options = _options()
    for ending in (signal.SIGINT, signal.SIGTERM):  # both end what was started
        signal.signal(ending, signal.default_int_handler)
    if not Path(NGINX).exists():
        subprocess.run([ROOT / "scripts" / "apt-install", "nginx"], check=True)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    results = Results.begin(options.rounds, quick=False)
    results.versions["nginx"] = _nginx_version()
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
    """Whether a message across processes costs the same however many there are, and that in words."""
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
        with running(target, folder, **TRUSTED) as inner, _nginx(inner, folder) as server:
            results.add(target.name, "saturated", saturated(server, LATER_ROUND, _say_indented, PAIRS * processes))
        if processes == max(PROCESSES):
            with running(target, folder, **TRUSTED) as inner, _nginx(inner, folder) as server:
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


@contextlib.contextmanager
def _nginx(server: Server, folder: Path) -> Iterator[Server]:
    """Put nginx in front of a server's processes; yields the server as its clients see it."""
    port = free_port()
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    configuration = CONFIGURATION.format(
        folder=folder,
        files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        temporary="\n  ".join(f"{name}_temp_path {folder}/nginx-{name};" for name in temporary),
        servers="\n    ".join(f"server {HOST}:{port};" for port in server.ports),
        host=HOST,
        port=port,
    )
    (folder / "nginx.conf").write_text(configuration)
    log = folder / "nginx.log"
    command = [NGINX, "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    with process(command, folder, "nginx", CLIENT_CORES, dict(os.environ)) as child:
        await_port(port, child, log)
        yield replace(server, ports=[port], proxy=[child.pid])


def _nginx_version() -> str:
    printed = subprocess.run([NGINX, "-v"], capture_output=True, text=True, check=True).stderr
    number = re.search(r"nginx/([\d.]+)", printed)
    return number[1] if number else "?"


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
