"""The options of `smoke`, and the result of each of its steps."""

from dataclasses import asdict, dataclass
from typing import Any

from diagnostics.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was tried, its outcome and time, and a sentence where it is not well."""

    title: str
    outcome: Outcome
    milliseconds: float
    sentence: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the fields as JSON values, the duration in milliseconds."""
        return asdict(self) | {"milliseconds": round(self.milliseconds, 2)}


@dataclass(frozen=True, slots=True)
class Options:
    """The server and the parts of the flow that are tried; each answer may take `seconds`."""

    url: str
    seconds: float = 10
    origin: str | None = None
    requires_turn: bool = False
    publishes_key: bool = True
