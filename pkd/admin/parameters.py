"""Lists whose parameters may be anything that an address can hold."""

from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db import DataError


class CheckedChangeList(ChangeList):
    """Reads a list; what no date and no database can hold leads back to it, as Django does with what is no value."""

    def __init__(self, *args: Any) -> None:
        try:
            super().__init__(*args)
        except (ValueError, OverflowError, DataError) as error:
            # The year 10000, a moment before the year 1 in UTC, a NUL in a text for Postgres.
            raise IncorrectLookupParameters from error
