"""The bad lines of a file that is imported: counted all, told the first."""

from typing import NamedTuple

PROBLEMS_SHOWN = 100


class Problem(NamedTuple):
    """A bad line of the file, from 1, and the sentence that names the rule it breaks."""

    number: int
    sentence: str


class BadLinesError(Exception):
    """The file was not imported: how many lines are bad, and the first of them."""

    def __init__(self, count: int, first: list[Problem]) -> None:
        super().__init__(count, first)
        self.count = count
        self.first = first


class Problems:
    """Collects the bad lines of a file."""

    def __init__(self) -> None:
        self._count = 0
        self._first: list[Problem] = []

    def add(self, number: int, sentence: str) -> None:
        """Add a line that breaks a rule, which the sentence names."""
        self._count += 1
        if len(self._first) < PROBLEMS_SHOWN:
            self._first.append(Problem(number, sentence))

    def raise_if_any(self) -> None:
        """Raise `BadLinesError` if there is one."""
        if self._count:
            raise BadLinesError(self._count, self._first)
