"""The list of a directory of any size: each of its pages reads few keys beside those that it shows."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import ERROR_FLAG, ORDER_VAR, PAGE_VAR, ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from pkd import search
from pkd.admin import dates
from pkd.admin.paginator import KeyPaginator
from pkd.admin.parameters import CheckedChangeList
from pkd.models import PublicKey

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[PublicKey]
else:
    # Only the type stubs know it as generic.
    ModelAdmin = admin.ModelAdmin

# With these parameters alone a list is of all keys.
OF_ALL_KEYS = {ERROR_FLAG, ORDER_VAR, PAGE_VAR}


class KeyChangeList(CheckedChangeList):
    """Lists keys."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[PublicKey]:
        """Return the keys that filters and a search keep, named one by one where filters keep few."""
        keys = super().get_queryset(request, exclude_parameters)
        return search.narrowed(keys) if self.has_active_filters else keys


class LongList(ModelAdmin):
    """Adds the list to the directory's ModelAdmin."""

    # It takes a second count.
    show_full_result_count = False
    date_hierarchy = dates.FIELD
    search_fields = ("client_id",)
    search_help_text = search.HELP

    def get_changelist(self, request: HttpRequest, **_options: Any) -> type[ChangeList]:  # noqa: ARG002  # Django's name
        """Return the list."""
        return KeyChangeList

    def get_paginator(  # type: ignore[override]  # the stubs want a list of arguments that nobody gives
        self, request: HttpRequest, queryset: QuerySet[PublicKey], per_page: int, **options: Any
    ) -> KeyPaginator:
        """Return the pages of the list."""
        return KeyPaginator(queryset, per_page, is_whole=request.GET.keys() <= OF_ALL_KEYS, **options)

    def get_search_results(
        self, _request: HttpRequest, queryset: QuerySet[PublicKey], search_term: str
    ) -> tuple[QuerySet[PublicKey], bool]:
        """Return the keys that match a search."""
        return search.matching(queryset, search_term), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list, with links to dates, which are made once the parameters were found to be in order."""
        return super().changelist_view(request, {"dates": lambda: dates.links(request.GET), **(extra_context or {})})
