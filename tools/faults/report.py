"""The table of a run: for the terminal, as JSON, and for docs/reliability.md."""

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tools.bench.results import Results
from tools.faults.findings import Finding

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reliability.md"
RESULTS = ROOT / "tools" / "faults" / "results.json"
BEGIN, END = "<!-- figures: begin, written by `make faults` -->", "<!-- figures: end -->"


@dataclass(slots=True)
class Shown:
    """The findings of one scenario."""

    title: str
    date: str
    machine: dict[str, Any]
    seconds: float
    findings: list[Finding]


@dataclass(slots=True)
class Report:
    """The latest run of each scenario, by its name, each with the machine on which it ran."""

    scenarios: dict[str, Shown] = field(default_factory=dict)

    @classmethod
    def read(cls) -> "Report":
        """Return the findings that are kept."""
        return cls.of(json.loads(RESULTS.read_text())) if RESULTS.exists() else cls()

    @classmethod
    def of(cls, kept: dict[str, Any]) -> "Report":
        """Make it from what `write` wrote."""
        scenarios = {
            name: Shown(**shown | {"findings": [Finding(**finding) for finding in shown["findings"]]})
            for name, shown in kept["scenarios"].items()
        }
        return cls(scenarios)

    def add(self, name: str, title: str, seconds: float, findings: list[Finding]) -> None:
        """Keep what a scenario showed, in place of what it showed last time."""
        machine = Results.begin(1, quick=False).machine
        self.scenarios[name] = Shown(title, datetime.now(UTC).date().isoformat(), machine, round(seconds), findings)

    def write(self, order: list[str]) -> None:
        """Write the figures, and the page between its markers; what stands around them stays."""
        self.scenarios = {name: self.scenarios[name] for name in order if name in self.scenarios}
        RESULTS.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")
        page = PAGE.read_text() if PAGE.exists() else f"# Reliability\n\n{BEGIN}\n{END}\n"
        before, _, rest = page.partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}\n\n{self.markdown()}\n{END}{after}")

    def markdown(self) -> str:
        """Every table."""
        return "\n".join(table(shown) for shown in self.scenarios.values())


def table(shown: Shown) -> str:
    """One scenario's, in Markdown."""
    rows = [["", "promised", "measured", ""]]
    rows += [
        [one.what, one.promised, one.measured, "" if one.promised == "–" else "yes" if one.is_kept else "**no**"]
        for one in shown.findings
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    where = f"on {shown.machine['cores']} cores of {shown.machine['cpu']}, clients on the same machine"
    heading = f"### {shown.title}\n\n{shown.date}, {shown.seconds:.0f} s, {where}.\n"
    return "\n".join([heading, lines[0], rule, *lines[1:], ""])
