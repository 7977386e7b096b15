"""The links above the list that lead to a year, a month and a day.

Django's own are those in which there are keys, for which the database has to read every key; these are all from the
first change to the last.
"""

from calendar import monthrange
from datetime import date
from typing import Any

from django.contrib.admin.views.main import PAGE_VAR
from django.http import QueryDict
from django.utils import formats, timezone

from pkd.models import PublicKey

FIELD = "last_change"
PARTS = ("year", "month", "day")


def links(asked: QueryDict) -> dict[str, Any]:
    """Return what Django's template shows for the chosen year, month and day; nothing without a key."""
    ends = [PublicKey.objects.order_by(order).values_list(FIELD, flat=True).first() for order in (FIELD, f"-{FIELD}")]
    first, last = (None if end is None else timezone.localtime(end).date() for end in ends)
    if first is None or last is None:
        return {}
    year, month, day = (int(asked.get(f"{FIELD}__{part}") or 0) for part in PARTS)
    if not year and first.year == last.year:
        # A month or a day without a year is a filter of its own.
        year, month, day = first.year, first.month if first.month == last.month else 0, 0
    if not year:
        years = range(first.year, last.year + 1)
        return _shown(asked, None, [(str(year), (year,)) for year in years])
    if not month:
        months = [date(year, month, 1) for month in range(1, 13)]
        kept = [one for one in months if first.replace(day=1) <= one <= last]
        return _shown(asked, ("All dates", ()), [(_month(one), (year, one.month)) for one in kept])
    if not day:
        days = [date(year, month, day) for day in range(1, monthrange(year, month)[1] + 1)]
        kept = [one for one in days if first <= one <= last]
        return _shown(asked, (str(year), (year,)), [(_day(one), (year, month, one.day)) for one in kept])
    chosen = date(year, month, day)
    return {**_shown(asked, (_month(chosen), (year, month)), []), "choices": [{"title": _day(chosen)}]}


Choice = tuple[str, tuple[int, ...]]


def _shown(asked: QueryDict, back: Choice | None, choices: list[Choice]) -> dict[str, Any]:
    """Write choices as links, and the one that leads back."""

    def link(choice: Choice) -> dict[str, str]:
        title, chosen = choice
        query = asked.copy()
        for name in [name for name in query if name.startswith(f"{FIELD}__") or name == PAGE_VAR]:
            del query[name]
        query.update({f"{FIELD}__{part}": str(number) for part, number in zip(PARTS, chosen, strict=False)})
        return {"link": f"?{query.urlencode()}", "title": title}

    return {"show": True, "back": back and link(back), "choices": [link(choice) for choice in choices]}


def _month(day: date) -> str:
    return formats.date_format(day, "YEAR_MONTH_FORMAT")


def _day(day: date) -> str:
    return formats.date_format(day, "MONTH_DAY_FORMAT")
