"""Tables from a run's figures, for the terminal and for docs/performance.md."""

import statistics
from collections.abc import Callable, Sequence

from tools.bench.goals import GOALS
from tools.bench.plan import PAIRS
from tools.bench.results import Results
from tools.bench.scenarios import DISTURBED_PERCENT
from tools.bench.targets import TARGETS

CLIENT_BOUND_PERCENT = 90
NOT_MEASURED = "–"
Cell = Callable[[Results, str], str]


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Median, and the least and the greatest where there are several."""
    if not values:
        return NOT_MEASURED
    middle = f"{statistics.median(values):,.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):,.{digits}f}–{max(values):,.{digits}f})"


def _figure(scenario: str, figure: str, digits: int = 1) -> Cell:
    return lambda results, target: spread(results.values(target, scenario, figure), digits)


def _by(other: str, scenario: str, figure: str) -> Cell:
    def cell(results: Results, target: str) -> str:
        reference = other or TARGETS[target].textbook
        return spread(results.ratios(target, reference, scenario, figure), 2)

    return cell


def _cost_with_redis(scenario: str) -> Cell:
    def cell(results: Results, target: str) -> str:
        text = spread(results.values(target, scenario, "server_us_per_message"))
        in_redis = results.median(target, scenario, "redis_us_per_message")
        return text if in_redis is None else f"{text} + {in_redis:.1f}"

    return cell


def _calls_per_second(results: Results, target: str) -> str:
    text = spread(results.values(target, "saturated", "calls_per_second"), 0)
    busy = results.median(target, "saturated", "client_busy_percent") or 0
    return f"{text} †" if busy > CLIENT_BOUND_PERCENT else text


def _lost(results: Results, target: str) -> str:
    scenarios = results.figures[target].values()
    counts = [sum(figures.get(name, [])) for figures in scenarios for name in ("lost", "wrong")]
    return f"{sum(counts):,.0f}" if counts else NOT_MEASURED


COST = "server_us_per_message"
TABLES: tuple[tuple[str, tuple[tuple[str, Cell], ...]], ...] = (
    (
        f"A relayed message: server CPU in µs (+ Redis's own), {PAIRS} calls at a time, back to back",
        (
            ("µs a message", _cost_with_redis("saturated")),
            ("× PeerJS", _by("peerjs", "saturated", COST)),
            ("× textbook", _by("", "saturated", COST)),
            ("calls/s", _calls_per_second),
            ("client's CPU, %", _figure("saturated", "client_busy_percent", 0)),
            ("lost", _lost),
        ),
    ),
    (
        "At 50 calls a second",
        (
            ("µs a message", _cost_with_redis("steady")),
            ("× PeerJS", _by("peerjs", "steady", COST)),
            ("× textbook", _by("", "steady", COST)),
            ("hop p50, ms", _figure("steady", "hop_p50_ms", 2)),
            ("hop p99, ms", _figure("steady", "hop_p99_ms", 2)),
            ("p99 × PeerJS", _by("peerjs", "steady", "hop_p99_ms")),
        ),
    ),
    (
        "A message while others idle: server CPU in µs, by the number of idle connections",
        tuple((f"{level:,}", _figure("connections", f"{COST}_idle_{level}")) for level in (0, 200, 1000, 3000, 9800)),
    ),
    (
        "A connection",
        (
            ("connect and REGISTER, µs", _figure("connections", "connect_us_up_to_200", 0)),
            ("with 9,800 connected, µs", _figure("connections", "connect_us_at_9800", 0)),
            ("KiB each of 1,000", _figure("connections", "resident_kib_per_connection_1000")),
            ("KiB each of 9,800", _figure("connections", "resident_kib_per_connection_9800")),
            ("30 s heartbeat of 1,000, µs", _figure("connections", "heartbeat_us_1000", 0)),
            ("of 9,800, µs", _figure("connections", "heartbeat_us_9800", 0)),
        ),
    ),
)


def tables(results: Results) -> str:
    """Every table that has a figure, in Markdown."""
    parts = []
    for title, columns in TABLES:
        rows = [
            [TARGETS[target].about, *(cell(results, target) for _, cell in columns)] for target in results.targets()
        ]
        rows = [row for row in rows if any(cell not in {NOT_MEASURED, "0"} for cell in row[1:])]
        if rows:
            heads = ["", *(head for head, _ in columns)]
            used = [i for i in range(len(heads)) if i == 0 or any(row[i] != NOT_MEASURED for row in rows)]
            parts.append(f"### {title}\n\n" + _table([[row[i] for i in used] for row in [heads, *rows]]))
    return "\n".join([*parts, *_notes(results)])


def goals(results: Results) -> str:
    """Return the table of goals in Markdown; only those that this run measured."""
    rows = [["to reach", "at most", "measured", ""]]
    for goal in GOALS:
        measured = goal.measure(results)
        if measured is not None:
            verdict = "yes" if measured <= goal.limit else "**no**"
            rows.append(
                [
                    goal.about,
                    f"{goal.limit:.3g} {goal.unit}",
                    f"{_short(measured)} {goal.unit}",
                    verdict,
                ]
            )
    return "### Goals\n\n" + _table(rows) if len(rows) > 1 else ""


def _short(number: float) -> str:
    """Three digits, and no exponent."""
    return f"{number:.3g}" if number < 1000 else f"{number:,.0f}"  # noqa: PLR2004


def _notes(results: Results) -> list[str]:
    notes = []
    bound = [
        target
        for target in results.targets()
        if (results.median(target, "saturated", "client_busy_percent") or 0) > CLIENT_BOUND_PERCENT
    ]
    if bound:
        notes.append("† The load client was at its limit; the server could do more.")
    disturbances = [
        share
        for scenarios in results.figures.values()
        for figures in scenarios.values()
        for share in figures["others_busy_percent"]
    ]
    disturbed = sum(share > DISTURBED_PERCENT for share in disturbances)
    if disturbed:
        notes.append(f"In {disturbed} of {len(disturbances)} measurements the machine was busy with other things too.")
    notes += [f"Left out: {target}, {reason}." for target, reason in results.left_out.items()]
    notes += [f"Failed: {failure}." for failure in results.failures]
    return [f"{note}\n" for note in notes]


def _table(rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    rule = (
        "|" + "|".join("-" * (width + 1) + ("-" if column == 0 else ":") for column, width in enumerate(widths)) + "|"
    )
    return "\n".join([lines[0], rule, *lines[1:], ""])
