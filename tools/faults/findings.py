"""The findings of a scenario: what it was to show, and what it did."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table."""

    what: str
    promised: str
    measured: str
    is_kept: bool


def at_most(what: str, measured: float | None, limit: float, unit: str = "") -> Finding:
    """Something that must not be more than `limit`; None is something that did not come about at all."""
    unit = f" {unit}" if unit else ""
    if measured is None:
        return Finding(what, f"≤ {limit:g}{unit}", "never", is_kept=False)
    shown = f"{measured:,.0f}" if measured == int(measured) else f"{measured:,.2f}"
    return Finding(what, f"≤ {limit:,g}{unit}" if limit else "0", f"{shown}{unit}", measured <= limit)


def all_of(what: str, measured: int, count: int) -> Finding:
    """Something that must hold for every one of `count`."""
    return Finding(what, f"{count:,} of {count:,}", f"{measured:,} of {count:,}", measured == count)


def noted(what: str, measured: str) -> Finding:
    """A figure to which nothing was promised."""
    return Finding(what, "–", measured, is_kept=True)


def broken(findings: list[Finding]) -> list[Finding]:
    """Those whose promise was not kept."""
    return [finding for finding in findings if not finding.is_kept]
