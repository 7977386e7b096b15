"""Pages whose rows cannot be edited."""

from typing import Any

from django.http import HttpRequest


class ReadOnly:
    """Denies a ModelAdmin or an inline each of Django's own changes; what operators may do are actions beside them."""

    def has_add_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Return False: no row is added by hand."""
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Return False: no row is edited."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Return False: no row is deleted."""
        return False
