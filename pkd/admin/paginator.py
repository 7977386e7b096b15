"""The pages of a list of any length: the last costs what the first does, and no filter is counted to its end."""

from typing import TYPE_CHECKING, Any

from django.core import paginator
from django.core.paginator import Page
from django.db.models import QuerySet
from django.utils.functional import cached_property

from pkd.models import PublicKey

if TYPE_CHECKING:
    Paginator = paginator.Paginator[PublicKey]
else:
    # Only the type stubs know it as generic.
    Paginator = paginator.Paginator

# More pages of a filter are read by nobody.
MOST_COUNTED = 10_000


class KeyPaginator(Paginator):
    """Pages of keys; with `is_whole` of all there are, with its last page read from the end of their order."""

    def __init__(self, keys: QuerySet[PublicKey], *args: Any, is_whole: bool) -> None:
        super().__init__(keys, *args)
        self._keys, self._is_whole = keys, is_whole

    @cached_property
    def count(self) -> int:
        """Return how many keys there are to show."""
        return self._keys.count() if self._is_whole else min(self._counted, MOST_COUNTED)

    @cached_property
    def _counted(self) -> int:
        return self._keys.order_by().values("client_id")[: MOST_COUNTED + 1].count()

    @property
    def is_cut(self) -> bool:
        """Return whether there are more keys than the pages show."""
        return not self._is_whole and self._counted > MOST_COUNTED

    def page(self, number: Any) -> Page[PublicKey]:
        """Return a page; one behind the middle of all keys is read from the end, past fewer of the others."""
        number = self.validate_number(number)
        begin = (number - 1) * self.per_page
        end = min(begin + self.per_page, self.count)
        if not self._is_whole or begin < self.count - end:
            return super().page(number)
        backwards = list(self._keys.reverse()[self.count - end : self.count - begin])
        return Page(backwards[::-1], number, self)
