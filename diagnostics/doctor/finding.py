"""One line of the doctor's: what was examined, how it is, and how to mend it."""

from dataclasses import dataclass

from diagnostics.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence about a subject."""

    outcome: Outcome
    subject: str
    sentence: str


def ok(subject: str, sentence: str) -> Finding:
    """It is as it should be."""
    return Finding(Outcome.OK, subject, sentence)


def warning(subject: str, sentence: str) -> Finding:
    """It works, but not as well or as long as it should."""
    return Finding(Outcome.WARNING, subject, sentence)


def failed(subject: str, sentence: str) -> Finding:
    """Calls will not work like that."""
    return Finding(Outcome.FAILED, subject, sentence)
