"""The counts of a run of the fuzzer, and the error that it raises."""

from collections import Counter
from dataclasses import dataclass, field


class FoundError(Exception):
    """The server did something that it must not."""


@dataclass
class Tally:
    """Counts of what was sent and what came back."""

    inputs: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    closes: Counter[int] = field(default_factory=Counter)
    slowest_seconds: float = 0.0
    slowest_cpu_seconds: float = 0.0
    resent: int = 0

    @property
    def total(self) -> int:
        """Return the number of inputs."""
        return self.inputs.total()
