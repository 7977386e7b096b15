"""The filters of the list of keys."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from pkd.models import PublicKey


class ChoiceFilter(admin.SimpleListFilter):
    """A filter whose choices each stand for a condition; an unknown choice in the URL keeps every key."""

    choices_by_value: ClassVar[Mapping[str, tuple[str, Q]]]

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        """Return each choice and its label."""
        return [(value, label) for value, (label, _) in self.choices_by_value.items()]

    def queryset(self, _request: HttpRequest, keys: QuerySet[PublicKey]) -> QuerySet[PublicKey]:
        """Keep the keys that meet the choice's condition."""
        choice = self.choices_by_value.get(self.value() or "")
        return keys.filter(choice[1]) if choice else keys


class RevokedFilter(ChoiceFilter):
    """Keeps revoked keys, or the others."""

    title = "revoked"
    parameter_name = "revoked"
    choices_by_value: ClassVar = {"no": ("No", Q(revoked_at=None)), "yes": ("Yes", Q(revoked_at__isnull=False))}


class FrozenFilter(ChoiceFilter):
    """Keeps frozen client IDs, those of them without a key, or the others."""

    title = "frozen"
    parameter_name = "frozen"
    choices_by_value: ClassVar = {
        "no": ("No", Q(frozen_at=None)),
        "yes": ("Yes", Q(frozen_at__isnull=False)),
        "reserved": ("Without a key", Q(frozen_at__isnull=False, fingerprint="")),
    }


class ChangesFilter(ChoiceFilter):
    """Keeps keys by how often they changed; a first publication is not a change."""

    title = "changes"
    parameter_name = "changed_times"
    choices_by_value: ClassVar = {
        "never": ("Never changed", Q(changes=0)),
        "once": ("Changed once", Q(changes=1)),
        "more": ("Changed more than once", Q(changes__gt=1)),
    }


class ChangedFilter(admin.SimpleListFilter):
    """Keeps keys that changed in the last days; a first publication is not a change."""

    title = "changed in the last"
    parameter_name = "changed_days"
    days = (1, 7, 30, 90)

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        """Return each number of days and its label."""
        return [(str(days), f"{days} days" if days > 1 else "24 hours") for days in self.days]

    def queryset(self, _request: HttpRequest, keys: QuerySet[PublicKey]) -> QuerySet[PublicKey]:
        """Keep the keys that changed in the chosen number of days."""
        value = self.value() or ""
        if value not in map(str, self.days):
            return keys
        return keys.filter(changes__gt=0, last_change__gte=timezone.now() - timedelta(days=int(value)))
