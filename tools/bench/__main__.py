"""Measure what a relayed message, a connection and a heartbeat cost: ours, a textbook consumer's, and others'.

    python -m tools.bench                        three rounds, about 25 minutes; writes results/ and docs/performance.md
    python -m tools.bench --quick                one short round, about 3 minutes; writes nothing
    python -m tools.bench --only peerjs,node-ws  some servers (--list names them)
    python -m tools.bench --scenario saturated   one scenario: saturated, steady or connections
    python -m tools.bench --json FILE            also keep the figures in FILE
    python -m tools.bench --report FILE          no run: write docs/performance.md again from a kept file

Each server runs with its processes on the first core; the load client (tools/bench/load.py) and Redis have the second.
Every round runs all servers one after the other, so that a drift of the machine meets all of them; figures are
medians over the rounds, ratios are taken round by round. One call is 19 relayed messages: an offer and an answer of
2.5 KB, 8 candidates each way, and the end. Clients check that everything arrives, unaltered and in order.

Ours runs with every check on and its limits raised (running.py); the textbook consumer is textbook/app.py, the
peers are in peers/. Node's packages and Redis are optional: what is missing is left out, in one line.
CPU is the processes' own accounting, from the kernel's clock for the process. All traffic stays on loopback.
"""

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from tools.bench import page, report
from tools.bench.connection import BenchError
from tools.bench.plan import FIRST_ROUND, LATER_ROUND, QUICK, Plan
from tools.bench.processes import CLIENT_CORES
from tools.bench.results import RESULTS, Results
from tools.bench.running import install_peers, running
from tools.bench.scenarios import SCENARIOS
from tools.bench.targets import TARGETS, Target

ROUNDS = 3
FILES_BESIDE_CONNECTIONS = 1400  # the pairs, those opened late, and what a process needs itself


def main() -> int:
    """Run what the command line asks for."""
    options = _options()
    if options.list:
        print("\n".join(f"{target.name:20} {target.about}" for target in TARGETS.values()))
        return 0
    if options.report:
        print("wrote", *page.write_page(Results.read(options.report)))
        return 0
    for number in (signal.SIGINT, signal.SIGTERM):  # both end what was started
        signal.signal(number, signal.default_int_handler)
    results = Results.begin(options.rounds, quick=options.quick)
    print(f"Python is {results.interpreter}.")
    try:
        _run(results, options)
    except KeyboardInterrupt:
        print("stopped; what was started is ended", file=sys.stderr)
        return 130
    print(f"\n{report.tables(results)}\n{report.goals(results)}")
    if options.json:
        results.write(options.json)
    if not options.quick and not options.only and not options.scenario:
        kept = RESULTS / results.file_name
        results.write(kept)
        print("wrote", kept.name, *(path.name for path in page.write_page(results)))
    return 1 if results.failures else 0


def _run(results: Results, options: argparse.Namespace) -> None:
    targets = _runnable(options.only or list(TARGETS), results)
    scenarios = options.scenario or list(SCENARIOS)
    # Across two processes the relay is what differs; a connection costs the same.
    steps = [
        (number, target, scenario)
        for number in range(options.rounds)
        for target in targets
        for scenario in scenarios
        if scenario != "connections" or target.processes == 1
    ]
    os.sched_setaffinity(0, CLIENT_CORES)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="signaling-bench-") as folder:
        for done, (number, target, scenario) in enumerate(steps):
            elapsed = time.monotonic() - begin
            left = f", about {elapsed / done * (len(steps) - done) / 60:.0f} min left" if done else ""
            _say(f"[{done + 1}/{len(steps)}{left}] round {number + 1}, {target.name}, {scenario}")
            plan = QUICK if options.quick else FIRST_ROUND if number == 0 else LATER_ROUND
            _measure(results, target, scenario, _within_open_files(plan), Path(folder))
    results.minutes = round((time.monotonic() - begin) / 60, 1)


def _measure(results: Results, target: Target, scenario: str, plan: Plan, folder: Path) -> None:
    try:
        with running(target, folder) as server:
            figures = SCENARIOS[scenario](server, plan, lambda line: _say(f"    {line}"))
    except (BenchError, OSError) as error:
        logs = sorted(folder.glob(f"{target.name}-*.log"))
        _say(f"    failed: {error}", *(path.read_text(errors="replace")[-1500:] for path in logs))
        results.failures.append(f"{target.name}, {scenario}: {str(error).splitlines()[0]}")
        return
    results.add(target.name, scenario, figures)


def _say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)


def _runnable(names: list[str], results: Results) -> list[Target]:
    runnable = []
    for name in names:
        if reason := TARGETS[name].missing():
            print(f"left out: {name} ({reason})")
            results.left_out[name] = reason
        else:
            runnable.append(TARGETS[name])
    if any(target.node for target in runnable):
        install_peers()
    return runnable


def _within_open_files(plan: Plan) -> Plan:
    """Raise the limit of open files as far as it goes; leave out the levels that it does not allow."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    most = hard - FILES_BESIDE_CONNECTIONS
    allowed = tuple(level for level in plan.idle_levels if level <= most)
    if allowed != plan.idle_levels:
        print(f"    the limit of {hard} open files allows {most} idle connections")
    beating = tuple(level for level in plan.heartbeat_levels if level in allowed)
    return replace(plan, idle_levels=allowed, heartbeat_levels=beating)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument("--quick", action="store_true", help="one short round, about 3 minutes")
    parser.add_argument("--rounds", type=int, help=f"default {ROUNDS}, with --quick 1")
    parser.add_argument("--only", type=_names(TARGETS), metavar="NAME,NAME", help="some servers")
    parser.add_argument("--scenario", type=_names(SCENARIOS), metavar="NAME,NAME", help="some scenarios")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures there")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write docs/performance.md from kept figures")
    parser.add_argument("--list", action="store_true", help="name the servers")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else ROUNDS)
    return options


def _names(known: Mapping[str, object]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(known)}")
        return names

    return parse


if __name__ == "__main__":
    sys.exit(main())
