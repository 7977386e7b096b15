"""Tables whose rows are added and never changed."""

from collections.abc import Iterable
from typing import Any, Never, TypeVar

from django.db import models

Row = TypeVar("Row", bound=models.Model)


class HistoryIsAppendOnlyError(Exception):
    """A change or deletion of a row of the history was refused."""


class AppendOnlyQuerySet(models.QuerySet[Row]):
    """Allows reads and inserts; Django's other ways to write all end in one of these methods."""

    def update(self, **_values: Any) -> Never:
        """Raise `HistoryIsAppendOnlyError`."""
        raise HistoryIsAppendOnlyError

    def delete(self) -> Never:
        """Raise `HistoryIsAppendOnlyError`."""
        raise HistoryIsAppendOnlyError

    def bulk_create(self, objs: Iterable[Row], *args: Any, update_conflicts: bool = False, **options: Any) -> list[Row]:
        """Insert the rows; refuse an upsert."""
        if update_conflicts:
            raise HistoryIsAppendOnlyError
        return super().bulk_create(objs, *args, **options)


class AppendOnly(models.Model):
    """A row that is inserted once, and then stays."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **options: Any) -> None:
        """Insert a new row; refuse to write an existing one."""
        if not self._state.adding or options.get("force_update"):
            raise HistoryIsAppendOnlyError
        # A new object with a taken primary key would otherwise overwrite that row.
        super().save(*args, **(options | {"force_insert": True}))

    def delete(self, *_args: Any, **_options: Any) -> Never:
        """Raise `HistoryIsAppendOnlyError`."""
        raise HistoryIsAppendOnlyError
