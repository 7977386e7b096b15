"""Run autobahntestsuite against the server: `python -m tools.conformance PYTHON27 [--others] [--cases CASE ...]`.

Each case of our own server has to pass, or to end as is explained; the others are there to compare.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.support.servers import Kind, RunningServer, announced_port, become_healthy, environment, run, server
from tools.conformance import suite
from tools.conformance.verdicts import CAPPED, UNCAPPED, Explained, Outcome, details, summary, unexplained

ECHO = "tools.conformance.echo:application"
OURS, BY_EVENTS, LARGE = "ours", "ours, by ASGI events", "ours, without the cap"
OTHERS: dict[str, Kind] = {"plain daphne": "daphne", "uvicorn": "uvicorn"}
Report = dict[str, dict[str, Outcome]]

JUDGED: dict[str, Mapping[str, Explained]] = {OURS: CAPPED, BY_EVENTS: CAPPED, LARGE: UNCAPPED}


@contextmanager
def uncapped() -> Iterator[RunningServer]:
    """Run our server class with no cap that the suite would reach."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as name:
        log = Path(name) / "log"
        command = [sys.executable, "-m", "tools.conformance.serve"]
        with run(command, log, environment(Path(name) / "none.sqlite3")) as process:
            running = RunningServer(process, log, Path(name) / "records")
            running.port = announced_port(running, "ours")
            become_healthy(running)
            yield running


def start(stack: ExitStack, *, with_others: bool) -> dict[str, str]:
    """Start the servers; returns their URLs."""
    ours = stack.enter_context(server("ours", application=ECHO))
    urls = {
        OURS: ours.ws_url,
        BY_EVENTS: f"ws://{ours.host}:{ours.port}/asgi",
        LARGE: stack.enter_context(uncapped()).ws_url,
    }
    if with_others:
        for name, kind in OTHERS.items():
            other = stack.enter_context(server(kind, application=ECHO))
            urls[name] = f"ws://{other.host}:{other.port}/asgi"
    return urls


def report_on(python: str, urls: Mapping[str, str], cases: list[str], pages: Path | None) -> Report:
    """Run the cases, and those that went wrong once more: the suite gives up after half a second, which may be load."""
    with suite.installed(python) as folder:
        report = read(suite.run(python, folder, urls, cases))
        if again := sorted({case for wrong in wrong_in(report).values() for case in wrong}):
            print(f"Run again: {', '.join(again)}\n", flush=True)
            for name, outcomes in read(suite.run(python, folder, urls, again)).items():
                report[name] |= outcomes
        if pages is not None:
            shutil.copytree(folder / "pages", pages, dirs_exist_ok=True)
    return report


def read(said: Mapping[str, Mapping[str, Any]]) -> Report:
    """Read the suite's index."""
    return {name: {case: Outcome.of(one) for case, one in cases.items()} for name, cases in said.items()}


def wrong_in(report: Report) -> dict[str, list[str]]:
    """Return the cases that neither passed nor ended as explained, by server."""
    return {name: cases for name in JUDGED if (cases := unexplained(report[name], JUDGED[name]))}


def main(arguments: list[str]) -> int:
    """Run what is asked for; returns 1 when a case neither passed nor ended as explained, 2 without a Python 2.7."""
    parser = argparse.ArgumentParser(prog="python -m tools.conformance")
    parser.add_argument("python", nargs="?", default="", metavar="PYTHON27", help="a Python 2.7 with pip")
    parser.add_argument("--others", action="store_true", help="plain daphne and uvicorn too")
    parser.add_argument("--cases", nargs="+", default=list(suite.CASES), metavar="CASE", help="such as 5.15 or 6.*")
    parser.add_argument("--pages", type=Path, metavar="FOLDER", help="keep the suite's pages, with every frame")
    options = parser.parse_args(arguments)
    if not suite.is_python_27(options.python):
        print(suite.ADVICE, file=sys.stderr)
        return 2
    with ExitStack() as stack:
        urls = start(stack, with_others=options.others)
        report = report_on(options.python, urls, options.cases, options.pages)
    report = {name: report[name] for name in urls}
    print(f"{suite.SUITE}\n\n{summary(report)}\n\n{details(report)}")
    for reason in {one.reason: None for explained in JUDGED.values() for one in explained.values()}:
        print(f"\nExplained: {reason}")
    wrong = wrong_in(report)
    for name, cases in wrong.items():
        print(f"\nWRONG, {name}: {', '.join(cases)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
