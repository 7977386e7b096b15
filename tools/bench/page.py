"""The generated part of docs/performance.md, and its plot."""

import statistics
from pathlib import Path

from tests.support.servers import ROOT
from tools.bench.plan import PAIRS
from tools.bench.plot import Line, line_chart
from tools.bench.report import COST, goals, tables
from tools.bench.results import Results
from tools.bench.targets import TARGETS

PAGE = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "performance-connections.svg"
BEGIN, END = "<!-- figures: begin, written by `make bench` -->", "<!-- figures: end -->"
ROUND_TICKS, ROOM_BETWEEN_TICKS = (200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000), 0.8
COLOURS = {
    "ours-daphne-memory": "#0b5fff",
    "ours-uvicorn-memory": "#00936c",
    "ours-daphne-redis": "#7a4fd0",
    "textbook-memory": "#d1242f",
    "textbook-redis": "#e3742f",
    "peerjs": "#8a6d00",
    "node-ws": "#777777",
    "python-websockets": "#3d8fa3",
}


def plot(results: Results) -> str:
    """Draw how the cost of a message grows with connections; empty without such figures."""
    prefix = f"{COST}_idle_"
    lines = []
    for target in results.targets():
        figures = results.figures[target].get("connections", {})
        levels = sorted(int(name.removeprefix(prefix)) for name in figures if name.startswith(prefix))
        points = [(level + 2 * PAIRS, statistics.median(figures[f"{prefix}{level}"])) for level in levels]
        if points and target in COLOURS:
            lines.append(Line(target.removesuffix("-memory"), COLOURS[target], points, bold=TARGETS[target].ours))
    if not lines:
        return ""
    fewest, most = 2 * PAIRS, round(max(x for line in lines for x, _ in line.points))
    ticks = [fewest, *(tick for tick in ROUND_TICKS if fewest < tick < most * ROOM_BETWEEN_TICKS), most]
    return line_chart(
        "CPU a relayed message, by open connections",
        "open connections (logarithmic)",
        "µs of server CPU a message (logarithmic)",
        lines,
        ticks,
    )


def write_page(results: Results) -> list[Path]:
    """Replace the generated part of docs/performance.md and its plot; the prose around it stays."""
    machine = results.machine
    where = f"{machine['cores']} cores of {machine['cpu']} (Linux {machine['kernel']})"
    rounds = f"{results.rounds} rounds" if results.rounds > 1 else "one round"
    versions = ", ".join(f"{name} {number}" for name, number in results.versions.items())
    drawing = plot(results)
    parts = [
        BEGIN,
        "",
        f"{results.date}, {where}, {rounds}, {results.minutes:.0f} minutes: median (least–greatest).",
        *([f"Python is {results.interpreter}."] if results.interpreter else []),
        f"With {versions}. Raw figures: `tools/bench/results/{results.file_name}`.",
        "",
        goals(results),
        *([f"![CPU a relayed message, by open connections]({PLOT.name})", ""] if drawing else []),
        tables(results),
        END,
    ]
    body = "\n".join(parts)
    page = PAGE.read_text() if PAGE.exists() else f"# Performance\n\n{BEGIN}\n{END}\n"
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(before + body + after)
    if drawing:
        PLOT.write_text(drawing)
    return [PAGE, *([PLOT] if drawing else [])]
