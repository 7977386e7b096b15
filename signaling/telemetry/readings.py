"""Readings of the counters: one a minute, for a day, so that the last hour and the last day can be told."""

import itertools
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from operator import itemgetter

from signaling.telemetry.counters import LABELS, Counters
from signaling.telemetry.snapshot import Series, Window

MINUTES_PER_DAY = 24 * 60
MINUTES_PER_QUARTER = 15
# The families in the dashboard's charts; each is the sum over its labels.
DRAWN = (
    "connections_opened",
    "connections_refused",
    "messages_received",
    "messages_sent",
    "errors_sent",
    "calls_opened",
)


class Minutes:
    """Readings of `counters` at the beginning of each minute; `clock` is unix time, in seconds, and never goes back.

    The counts only grow, so any window is the difference of two readings.
    """

    def __init__(self, counters: Counters, clock: Callable[[], float]) -> None:
        self._counters = counters
        self._clock = clock
        self.started_at = clock()
        # The first reading counts as of the minute's beginning: counts before it are in no window.
        self._readings = deque([(self._minute(), counters.read())], maxlen=MINUTES_PER_DAY + 1)
        self._series: tuple[Series, Series] | None = None

    def note(self) -> None:
        """Read the counters, if a minute has begun since the last reading."""
        minute = self._minute()
        if minute > self._readings[-1][0]:
            self._readings.append((minute, self._counters.read()))
            self._series = None

    def totals(self) -> dict[str, dict[str, int]]:
        """Return every count since the process started."""
        return _by_family(self._counters.read())

    def window(self, minutes: int) -> Window:
        """Return the counts of the last `minutes` whole minutes and of the minute that has begun."""
        begin = self._minute() - minutes
        before = self._at(begin)
        counted = array("Q", map(int.__sub__, self._counters.read(), before))
        seconds = self._clock() - max(self.started_at, begin * 60)
        return Window(seconds, _by_family(counted))

    def series(self) -> tuple[Series, Series]:
        """Return the last 60 minutes, and the last 24 hours in quarters of an hour.

        The minutes are complete; the last quarter is the one that runs, as far as its minutes are, so that a day has
        all that its last hour has.
        """
        if self._series is None:
            minute = self._minute()
            quarters = MINUTES_PER_DAY // MINUTES_PER_QUARTER
            self._series = (
                self._drawn(1, 60, minute),
                self._drawn(MINUTES_PER_QUARTER, quarters, minute // MINUTES_PER_QUARTER + 1),
            )
        return self._series

    def _minute(self) -> int:
        return int(self._clock() // 60)

    def _at(self, minute: int) -> "array[int]":
        readings = list(self._readings)
        return readings[max(bisect_right(readings, minute, key=itemgetter(0)) - 1, 0)][1]

    def _drawn(self, step: int, length: int, end: int) -> Series:
        # A step that has not ended ends with the last reading.
        readings = [self._at(number * step) for number in range(end - length, end + 1)]
        points = {}
        for name in DRAWN:
            first, last = _PLACES[name]
            sums = [sum(reading[first:last]) for reading in readings]
            points[name] = [after - before for before, after in itertools.pairwise(sums)]
        return Series(step, end, points)


def _by_family(reading: "array[int]") -> dict[str, dict[str, int]]:
    families: dict[str, dict[str, int]] = {}
    for (name, label), count in zip(LABELS, reading, strict=True):
        families.setdefault(name, {})[label] = count
    return families


# The begin and the end of a family's counts in a reading.
_PLACES = {
    name: (
        min(place for place, (family, _) in enumerate(LABELS) if family == name),
        max(place for place, (family, _) in enumerate(LABELS) if family == name) + 1,
    )
    for name in DRAWN
}
