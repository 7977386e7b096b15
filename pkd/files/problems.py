"""The bad lines of a file that is imported: all are counted, and the first so many named."""

from bisect import insort
from typing import NamedTuple

PROBLEMS_SHOWN = 1000


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
    """Collects the bad lines of a file, in whichever order they are found."""

    def __init__(self) -> None:
        self._numbers: set[int] = set()
        self._first: list[Problem] = []

    def __contains__(self, number: object) -> bool:
        return number in self._numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, number: int, sentence: str) -> None:
        """Add a line that breaks a rule, which the sentence names."""
        self._numbers.add(number)
        insort(self._first, Problem(number, sentence))
        del self._first[PROBLEMS_SHOWN:]

    def raise_if_any(self) -> None:
        """Raise `BadLinesError` if there is one."""
        if self._numbers:
            raise BadLinesError(len(self._numbers), self._first)
