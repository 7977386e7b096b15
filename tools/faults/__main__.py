"""Run the scenarios one after the other, at the size of a real system; with `--small`, at a small one.

python -m tools.faults [--small] [--soak MINUTES] [NAME ...]
"""

import argparse
import asyncio
import resource
import sys
import time

from tools.faults.findings import Finding, broken
from tools.faults.report import Report, table
from tools.faults.scenarios import Scenario, scenarios

SHOWN_SECONDS = 5


async def run(scenario: Scenario, *, is_small: bool) -> list[Finding]:
    """Run one part, and show how far it is."""
    begin = time.monotonic()

    async def show() -> None:
        while True:
            await asyncio.sleep(SHOWN_SECONDS)
            about = "" if is_small else f" of about {scenario.seconds}"
            print(f"    {time.monotonic() - begin:.0f}{about} s", flush=True)

    showing = asyncio.create_task(show())
    try:
        return await (scenario.small if is_small else scenario.full)()
    finally:
        showing.cancel()


def main(arguments: list[str]) -> int:
    """Run what is asked for; returns 1 when a promise was broken."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    parser = argparse.ArgumentParser(prog="python -m tools.faults")
    parser.add_argument("--small", action="store_true", help="a small size, and nothing is written")
    parser.add_argument("--soak", type=float, default=5, metavar="MINUTES", help="how long the soak is (5)")
    parser.add_argument("names", nargs="*", metavar="NAME", help="parts to run (all)")
    options = parser.parse_args(arguments)
    every = scenarios(options.soak)
    if unknown := set(options.names) - every.keys():
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    report, is_well = Report.read(), True
    for name in options.names or every:
        print(f"{name}: {every[name].title}", flush=True)
        begin = time.monotonic()
        try:
            findings = asyncio.run(run(every[name], is_small=options.small))
        except Exception as error:  # noqa: BLE001 -- the others are worth their time
            findings = [
                Finding("It came to its end", "yes", f"no: {type(error).__name__}: {error}"[:200], is_kept=False)
            ]
        report.add(name, every[name].title, time.monotonic() - begin, findings)
        print(table(report.scenarios[name]), flush=True)
        is_well &= not broken(findings)
    if not options.small:
        report.write(list(every))
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
