"""The figures of a run, and the file that keeps them: no host name, no path."""

import json
import os
import platform
import re
import shutil
import statistics
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from diagnostics.interpreter import describe
from tools.bench.targets import PEERS

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = (
    "django",
    "channels",
    "daphne",
    "channels_redis",
    "uvicorn",
    "uvloop",
    "websockets",
    "redis",
    "hiredis",
    "msgspec",
)
GIB = 1024**3


@dataclass(slots=True)
class Results:
    """target → scenario → figure → one value a round."""

    date: str
    machine: dict[str, Any]
    versions: dict[str, str]
    rounds: int
    quick: bool
    # The Python of our processes and the load client, and how it was built.
    interpreter: str = ""
    minutes: float = 0
    left_out: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    figures: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)

    @classmethod
    def begin(cls, rounds: int, *, quick: bool) -> "Results":
        """Start with what the figures depend on."""
        today = datetime.now(UTC).date().isoformat()
        return cls(today, _machine(), _versions(), rounds, quick, describe())

    @classmethod
    def read(cls, path: Path) -> "Results":
        """Read a file that write() made."""
        return cls(**json.loads(path.read_text()))

    def write(self, path: Path) -> None:
        """Keep the run."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @property
    def file_name(self) -> str:
        """Date and CPU."""
        return f"{self.date}-{re.sub('[^a-z0-9]+', '-', self.machine['cpu'].lower()).strip('-')}.json"

    def add(self, target: str, scenario: str, figures: dict[str, float]) -> None:
        """One round's figures."""
        kept = self.figures.setdefault(target, {}).setdefault(scenario, {})
        for name, value in figures.items():
            kept.setdefault(name, []).append(round(value, 4))

    def values(self, target: str, scenario: str, figure: str) -> list[float]:
        """The rounds' values; empty when it was not measured."""
        return self.figures.get(target, {}).get(scenario, {}).get(figure, [])

    def median(self, target: str, scenario: str, figure: str) -> float | None:
        """The middle one."""
        values = self.values(target, scenario, figure)
        return statistics.median(values) if values else None

    def ratios(self, target: str, other: str, scenario: str, figure: str) -> list[float]:
        """A target's value by another's, round by round, so that a drift of the machine cancels out."""
        mine, others = self.values(target, scenario, figure), self.values(other, scenario, figure)
        return [one / two for one, two in zip(mine, others, strict=False) if two]

    def targets(self) -> Iterable[str]:
        """Those with figures, in the order of their run."""
        return self.figures


def _machine() -> dict[str, Any]:
    cpu = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": cpu[1].strip() if cpu else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / GIB),
        "kernel": ".".join(platform.release().split(".")[:2]),
    }


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    for program in ("node", "redis-server"):
        if path := shutil.which(program):
            printed = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
            number = re.search(r"v=?(\d+(?:\.\d+)+)", printed)
            found[program] = number[1] if number else "?"
    peers: dict[str, str] = json.loads((PEERS / "package.json").read_text())["dependencies"]
    return found | peers
