"""The dashboard's charts: a bar for each step of time."""

from dataclasses import dataclass
from datetime import UTC, datetime

from signaling.telemetry.snapshot import Series

# Each bar is this wide and this far from the next one, in the units of its picture.
BAR_WIDTH, BAR_STEP, CHART_HEIGHT = 4, 5, 48
# A count that is not 0 can be seen, however high the highest bar is.
LEAST_HEIGHT = 1.5


@dataclass(frozen=True)
class Bar:
    """One step of time in a chart: its place and size in the picture, and its tooltip."""

    x: float
    y: float
    height: float
    title: str


@dataclass(frozen=True)
class Chart:
    """Counts over time; `peak` is the highest of them."""

    title: str
    span: str
    step: str
    total: int
    peak: int
    width: int
    bars: list[Bar]
    begin: datetime
    end: datetime


def chart(title: str, family: str, series: Series) -> Chart:
    """Draw the counts of a family, over the hour or the day that the series covers."""
    counts = series.points.get(family, [])
    peak = max(counts, default=0)
    seconds = series.step_minutes * 60
    begin = series.end - len(counts)
    bars = [
        _bar(place, count, peak, datetime.fromtimestamp((begin + place) * seconds, UTC))
        for place, count in enumerate(counts)
        if count
    ]
    is_hour = series.step_minutes == 1
    return Chart(
        title=title,
        span="last hour" if is_hour else "last day",
        step="a minute" if is_hour else f"in {series.step_minutes} minutes",
        total=sum(counts),
        peak=peak,
        width=len(counts) * BAR_STEP - (BAR_STEP - BAR_WIDTH),
        bars=bars,
        begin=datetime.fromtimestamp(begin * seconds, UTC),
        end=datetime.fromtimestamp(series.end * seconds, UTC),
    )


def _bar(place: int, count: int, peak: int, begin: datetime) -> Bar:
    height = max(round(CHART_HEIGHT * count / peak, 1), LEAST_HEIGHT)
    return Bar(place * BAR_STEP, round(CHART_HEIGHT - height, 1), height, f"{begin:%H:%M}: {count:,}")
