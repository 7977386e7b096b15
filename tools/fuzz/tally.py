"""What a run of the fuzzer sent, what came back, and what was wrong."""

from collections import Counter
from dataclasses import dataclass, field


class FoundError(Exception):
    """The server did something that it must not."""


@dataclass
class Tally:
    """What was sent and what came back."""

    inputs: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    closes: Counter[int] = field(default_factory=Counter)
    slowest_seconds: float = 0.0
    slowest_cpu_seconds: float = 0.0
    resent: int = 0

    @property
    def total(self) -> int:
        """How many inputs there were."""
        return self.inputs.total()
