"""The outcomes of a check, and the line that shows one."""

from enum import StrEnum

from django.core.management.color import Style

WORD_WIDTH = 8


class Outcome(StrEnum):
    """The verdict of a check; a warning is nothing that stops calls."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"

    def label(self, style: Style) -> str:
        """The word at the beginning of a line, coloured on a terminal."""
        colour = {Outcome.OK: style.SUCCESS, Outcome.WARNING: style.WARNING, Outcome.FAILED: style.ERROR}[self]
        label: str = colour(f"{self.value:<{WORD_WIDTH}}")
        return label
