"""The suite's word on each case, held to what is explained here, and the tables of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WELL = frozenset({"OK", "INFORMATIONAL"})
TOO_BIG = 1009

CHAPTERS = {
    "1": "1 Framing",
    "2": "2 Pings and pongs",
    "3": "3 Reserved bits",
    "4": "4 Opcodes",
    "5": "5 Fragmentation",
    "6": "6 UTF-8",
    "7": "7 Closing",
    "9": "9 Limits and performance",
    "10": "10 Automatic fragmentation",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the suite says of one case."""

    behavior: str
    closing: str
    code: int | None

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "Outcome":
        """Read a case of the suite's index."""
        return cls(said["behavior"], said["behaviorClose"], said["remoteCloseCode"])

    @property
    def is_well(self) -> bool:
        """Return whether the case passed, its end too."""
        return self.behavior in WELL and self.closing in WELL

    def __str__(self) -> str:
        if self.is_well:
            return "OK"
        words = self.behavior if self.behavior not in WELL else f"OK, end {self.closing}"
        return words.lower().replace("ok", "OK") + (f" ({self.code})" if self.code is not None else "")


@dataclass(frozen=True, slots=True)
class Explained:
    """A case that need not pass, and how it may end in place of that."""

    reason: str
    behavior: str
    code: int


_TOO_BIG = Explained(
    "9.1.3 to 9.6.6 send messages of more than 256 KiB, which are refused with 1009 (PROTOCOL.md, “Frames”).",
    "FAILED",
    TOO_BIG,
)
_AT_THE_END = Explained(
    "6.4.3 and 6.4.4 send a text that is no UTF-8 in pieces of one frame. It is refused when the frame is whole, for "
    "the `websockets` library gives a frame then; a text in fragments is refused at the fragment.",
    "NON-STRICT",
    1007,
)
# The cases whose messages have more than 256 KiB.
_LONG = {
    "9.1": range(3, 7),
    "9.2": range(3, 7),
    "9.3": range(1, 10),
    "9.4": range(1, 10),
    "9.5": range(1, 7),
    "9.6": range(1, 7),
}

UNCAPPED = {"6.4.3": _AT_THE_END, "6.4.4": _AT_THE_END}
CAPPED = UNCAPPED | {f"{group}.{number}": _TOO_BIG for group, numbers in _LONG.items() for number in numbers}


def unexplained(outcomes: Mapping[str, Outcome], explained: Mapping[str, Explained]) -> list[str]:
    """Return the cases of one server that neither passed nor ended as is explained."""
    return [
        case
        for case, outcome in in_order(outcomes).items()
        if not outcome.is_well
        and not (
            (one := explained.get(case)) is not None and (one.behavior, one.code) == (outcome.behavior, outcome.code)
        )
    ]


def in_order(outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
    """Sort by case number."""
    return dict(sorted(outcomes.items(), key=lambda item: [int(part) for part in item[0].split(".")]))


def summary(report: Mapping[str, Mapping[str, Outcome]]) -> str:
    """Return a table of how many cases of each chapter passed, by server."""
    rows = [["Cases", *report]]
    for chapter, title in CHAPTERS.items():
        counted = [_counted(outcomes, chapter) for outcomes in report.values()]
        if any(counted):
            rows.append([title, *counted])
    rows.append(["All", *(_counted(outcomes, "") for outcomes in report.values())])
    return table(rows)


def details(report: Mapping[str, Mapping[str, Outcome]]) -> str:
    """Return a table of each case that did not pass on some server; neighbours that ended alike share a row."""
    rows: list[list[str]] = []
    for case in in_order({case: outcome for outcomes in report.values() for case, outcome in outcomes.items()}):
        of_case = [str(outcomes[case]) if case in outcomes else "" for outcomes in report.values()]
        if all(words in {"OK", ""} for words in of_case):
            continue
        if rows and rows[-1][1:] == of_case and rows[-1][0].split(".")[:-1] == case.split(".")[:-1]:
            rows[-1][0] = f"{rows[-1][0].partition('–')[0]}–{case.rpartition('.')[2]}"
        else:
            rows.append([case, *of_case])
    return table([["Case", *report], *rows]) if rows else ""


def table(rows: list[list[str]]) -> str:
    """Return a table in Markdown; the first row is its head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _counted(outcomes: Mapping[str, Outcome], chapter: str) -> str:
    of_chapter = [outcome for case, outcome in outcomes.items() if chapter in {"", case.partition(".")[0]}]
    well = sum(outcome.is_well for outcome in of_chapter)
    return f"{well} of {len(of_chapter)}" if of_chapter else ""
