"""Many pairs of clients that call each other."""

import itertools
import time
from collections.abc import Callable

from tools.bench.connection import BenchError, Connection
from tools.bench.load import Load
from tools.bench.pair import Account, Pair

HOPELESS_SECONDS = 15
SILENCE_SECONDS = 2


class Calls:
    """Many pairs on one load client."""

    def __init__(self, load: Load, connections: list[Connection]) -> None:
        """Pair neighbours; with two server processes they are on different ones."""
        self.load = load
        self.account = Account()
        neighbours = zip(connections[::2], connections[1::2], strict=True)
        self.pairs = [Pair(caller, callee, load, self.account) for caller, callee in neighbours]

    @property
    def received(self) -> int:
        """Messages that arrived so far."""
        return sum(pair.received for pair in self.pairs)

    def saturate(self) -> None:
        """Let every pair call again and again."""
        for pair in self.pairs:
            pair.repeat = True
            if not pair.busy:
                pair.start()

    def drain(self, is_server_idle: Callable[[], bool], limit_seconds: float = 10) -> tuple[int, int]:
        """Let the calls under way end. Gives messages lost, and messages still on their way at the limit."""
        for pair in self.pairs:
            pair.repeat = False
        limit = time.perf_counter() + limit_seconds
        progress, progress_at = self.received, time.perf_counter()
        is_server_idle()
        while (now := time.perf_counter()) < limit and any(pair.busy for pair in self.pairs):
            self.load.poll(0.05)
            if self.received != progress:
                progress, progress_at = self.received, now
            elif now - progress_at > SILENCE_SECONDS:
                if is_server_idle():
                    return sum(pair.missing for pair in self.pairs), 0
                progress_at = now
        return 0, sum(pair.missing for pair in self.pairs)

    def run_steadily(self, starts: list[float]) -> float:
        """Start a call at each of these times from now. Gives by how many seconds the latest start was late."""
        free = itertools.cycle(self.pairs)
        begin = time.perf_counter()
        latest = 0.0
        for due in starts:
            while (remaining := begin + due - time.perf_counter()) > 0:
                self.load.poll(remaining)
            pair = next((pair for pair in itertools.islice(free, len(self.pairs)) if not pair.busy), None)
            while pair is None:
                self.load.poll(0.05)
                pair = next((pair for pair in itertools.islice(free, len(self.pairs)) if not pair.busy), None)
                if time.perf_counter() - begin - due > HOPELESS_SECONDS:
                    raise BenchError(f"every pair hangs in a call; {self.account.wrong[:1]}")
            latest = max(latest, time.perf_counter() - begin - due)
            pair.start()
        return latest
