"""The clock, compared with those of the services: credentials, one-time codes and signatures carry its time."""

from collections.abc import Iterator
from dataclasses import dataclass

from diagnostics.doctor.finding import Finding, failed, ok, warning

SUBJECT = "clock"
WARNING_SECONDS = 2
# A code of a second factor lives for half a minute.
FAILED_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Clock:
    """By how many seconds a service's clock is ahead of ours, known as exactly as the question took."""

    service: str
    ahead_seconds: float
    uncertainty_seconds: float


def examine(clocks: list[Clock]) -> Iterator[Finding]:
    """Judge each comparison."""
    if not clocks:
        yield warning(SUBJECT, "was not compared, as neither Redis nor Postgres was there to ask: see that NTP runs")
    for clock in clocks:
        difference = max(0.0, abs(clock.ahead_seconds) - clock.uncertainty_seconds)
        if difference < WARNING_SECONDS:
            yield ok(
                SUBJECT, f"agrees with {clock.service}'s within {max(difference, clock.uncertainty_seconds):.3f} s"
            )
            continue
        word = "behind" if clock.ahead_seconds > 0 else "ahead of"
        finding = warning if difference < FAILED_SECONDS else failed
        yield finding(
            SUBJECT, f"is {difference:.1f} s {word} {clock.service}'s: let NTP set both, or credentials expire wrongly"
        )
