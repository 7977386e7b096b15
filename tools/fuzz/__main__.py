"""Send hostile input to both servers, and show what they did: `python -m tools.fuzz [--inputs N] [--seed N]`."""

import argparse
import secrets
import signal
import sys
import time
from collections.abc import Iterable

from tests.support.servers import Kind, server
from tools.fuzz import decoder
from tools.fuzz.servers import UNLIMITED, trouble_in
from tools.fuzz.sockets import Fuzzer
from tools.fuzz.tally import FoundError, Tally

KINDS: tuple[Kind, ...] = ("ours", "uvicorn")
NAMES = {"ours": "daphne", "uvicorn": "uvicorn"}
SHOW_SECONDS = 5


class Progress:
    """Prints a line every few seconds."""

    def __init__(self, name: str, count: int) -> None:
        self._name, self._count = name, count
        self._began = self._shown = time.monotonic()

    @property
    def seconds(self) -> float:
        """Return for how many seconds the run has gone on."""
        return time.monotonic() - self._began

    def __call__(self, tally: Tally) -> None:
        """Show how far it is, if that was not just shown."""
        now = time.monotonic()
        if now - self._shown >= SHOW_SECONDS:
            self._shown = now
            print(f"{self._name}: {tally.total:,} of {self._count:,}, {tally.total / self.seconds:,.0f}/s", flush=True)


def fuzz(kind: Kind, count: int, seed: int) -> list[str]:
    """Send `count` inputs to a server of its own; returns what it did wrong."""
    found: list[str] = []
    with server(kind, env=UNLIMITED) as running:
        fuzzer, progress = Fuzzer(running.port, running.process.pid, seed), Progress(NAMES[kind], count)
        try:
            fuzzer.run(count, progress)
        except FoundError as error:
            found.append(str(error))
        tally, seconds = fuzzer.tally, progress.seconds
        found += trouble_in(running.log)
        if not running.is_healthy():
            found.append("the health check does not answer")
        status = running.stop()
        # uvicorn ends by the signal that it was sent.
        if status not in {0, -signal.SIGTERM}:
            found.append(f"the server exited with {status}")
    print(f"\n{NAMES[kind]}: {tally.total:,} inputs in {seconds:,.0f} s, seed {seed}")
    print(f"  inputs   {listed(tally.inputs.most_common())}")
    print(f"  answers  {listed(tally.answers.most_common())}")
    print(f"  closes   {listed(sorted(tally.closes.items()))}")
    slowest, cpu = tally.slowest_seconds * 1000, tally.slowest_cpu_seconds * 1000
    print(
        f"  slowest  {slowest:.1f} ms for a burst; {cpu:.0f} ms of processor time for one of {tally.resent} sent again"
    )
    for line in found:
        print(f"  WRONG    {line}")
    return found


def listed(counts: Iterable[tuple[object, int]]) -> str:
    """Write counts in a line."""
    return ", ".join(f"{name} {count:,}" for name, count in counts)


def main(arguments: list[str]) -> int:
    """Run everything; returns the exit code, 1 when something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description="Send hostile input to both servers.")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="inputs to the servers, half to each")
    parser.add_argument("--decoder-inputs", type=int, default=1_000_000, help="inputs to the decoder, made by atheris")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="the same inputs as another run")
    options = parser.parse_args(arguments)
    found = decoder.fuzz(options.decoder_inputs, options.seed) if options.decoder_inputs else []
    for kind in KINDS:
        found += fuzz(kind, options.inputs // len(KINDS), options.seed)
    print(f"\n{len(found)} wrong" if found else "\nNothing wrong")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
