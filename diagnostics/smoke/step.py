"""What `smoke` is asked to try, and what came of each step."""

from dataclasses import asdict, dataclass
from typing import Any

from diagnostics.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Step:
    """What was tried, how long it took, and a sentence where it is not well."""

    title: str
    outcome: Outcome
    milliseconds: float
    sentence: str = ""

    def as_json(self) -> dict[str, Any]:
        """The step for machines."""
        return asdict(self) | {"milliseconds": round(self.milliseconds, 2)}


@dataclass(frozen=True, slots=True)
class Options:
    """What is tried, and against whom; `seconds` is how long each answer may take."""

    url: str
    seconds: float = 10
    origin: str | None = None
    requires_turn: bool = False
    publishes_key: bool = True
