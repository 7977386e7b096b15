"""A log-log line chart as an SVG, written by hand: one file, no dependency."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 860, 470
LEFT, RIGHT, TOP, BOTTOM = 70, 215, 48, 52
LABEL_GAP = 15


@dataclass(frozen=True, slots=True)
class Line:
    """A named row of (x, y), both above 0."""

    name: str
    colour: str
    points: Sequence[tuple[float, float]]
    bold: bool = False


def line_chart(title: str, x_title: str, y_title: str, lines: Sequence[Line], x_ticks: Sequence[int]) -> str:
    """The SVG's text."""
    x_low, x_high = min(x_ticks), max(x_ticks)
    highest = max(y for line in lines for _, y in line.points)
    lowest = min(y for line in lines for _, y in line.points)
    y_low, y_high = 10 ** math.floor(math.log10(lowest)), 10 ** math.ceil(math.log10(highest))

    def x_at(x: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(x / x_low) / math.log(x_high / x_low)

    def y_at(y: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log(y / y_low) / math.log(y_high / y_low)

    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    font = 'font-family="system-ui, sans-serif" font-size="12" fill="#333"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" {font}>',
        f"<title>{title}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="26" font-size="15" font-weight="600">{title}</text>',
    ]
    tick = y_low
    while tick <= y_high:
        y = y_at(tick)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{right}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:,}</text>')
        tick *= 10
    for x_tick in x_ticks:
        x = x_at(x_tick)
        parts.append(f'<path d="M{x:.1f} {TOP}V{bottom}" stroke="#eee"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{x_tick:,}</text>')
    parts.append(f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{x_title}</text>')
    middle = (TOP + bottom) / 2
    parts.append(f'<text x="18" y="{middle}" text-anchor="middle" transform="rotate(-90 18 {middle})">{y_title}</text>')
    label_at = -math.inf
    for line in sorted(lines, key=lambda line: y_at(line.points[-1][1])):
        places = [(x_at(x), y_at(y)) for x, y in line.points]
        way = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        width = 2.6 if line.bold else 1.6
        parts.append(f'<path d="M{way}" fill="none" stroke="{line.colour}" stroke-width="{width}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{width + 0.6:.1f}" fill="{line.colour}"/>' for x, y in places]
        x_end, y_end = places[-1]
        label_at = max(y_end, label_at + LABEL_GAP)
        leader = f"M{x_end:.1f} {y_end:.1f}L{right + 14} {label_at:.1f}"
        parts.append(f'<path d="{leader}" stroke="{line.colour}" stroke-width="0.6"/>')
        weight = ' font-weight="600"' if line.bold else ""
        parts.append(
            f'<text x="{right + 18}" y="{label_at + 4:.1f}" fill="{line.colour}"{weight}>'
            f"{line.name} {line.points[-1][1]:,.0f}</text>"
        )
    return "\n".join([*parts, "</svg>", ""])
