"""The list of keys, and the page of a key with its history."""

from datetime import UTC
from typing import TYPE_CHECKING, Any

import segno
from django.contrib import admin
from django.db.models import QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.utils.html import escape
from django.utils.safestring import mark_safe

from pkd import directory
from pkd.admin.actions import DecisionActions
from pkd.admin.files import FilePages
from pkd.admin.filters import ChangedFilter, ChangesFilter, FrozenFilter, RevokedFilter
from pkd.admin.long_list import LongList
from pkd.admin.ownership import OwnedFilter, OwnershipFields, ReleaseFilter
from pkd.admin.read_only import ReadOnly
from pkd.admin.reservation import ReservationPage
from pkd.models import NEWEST_CHANGES_SHOWN, KeyChange, PublicKey

if TYPE_CHECKING:
    InlineFormSet = BaseInlineFormSet[KeyChange, PublicKey, Any]
    TabularInline = admin.TabularInline[KeyChange, PublicKey]
else:
    # Only the type stubs know these as generic.
    InlineFormSet, TabularInline = BaseInlineFormSet, admin.TabularInline

SHORT_FINGERPRINT_CHARACTERS = 16


class NewestChanges(InlineFormSet):
    """Limits a history to its newest changes."""

    def get_queryset(self) -> QuerySet[KeyChange]:
        """Return the newest changes, sliced once, so that the rows come from this query set's cache."""
        if not hasattr(self, "_newest"):
            self._newest = super().get_queryset()[:NEWEST_CHANGES_SHOWN]
        return self._newest


class KeyChangeInline(ReadOnly, TabularInline):
    """Shows a key's history to those who may see the key."""

    model = KeyChange
    formset = NewestChanges
    fields = ["when", "kind", "who", "old", "new", "reason"]
    readonly_fields = ["when", "kind", "who", "old", "new", "reason"]

    def has_view_permission(self, request: HttpRequest, _obj: Any = None) -> bool:
        """Return whether this operator may view keys; the history has no permission of its own."""
        return request.user.has_perm("pkd.view_publickey")

    @admin.display(description="when (UTC)")
    def when(self, change: KeyChange) -> str:
        """Return the time to the second: a client may change its key twice a minute."""
        return f"{change.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"

    @admin.display(description="old fingerprint")
    def old(self, change: KeyChange) -> str:
        """Return the fingerprint before the change."""
        return directory.grouped(change.old_fingerprint) or "-"

    @admin.display(description="new fingerprint")
    def new(self, change: KeyChange) -> str:
        """Return the fingerprint after the change; none after a revocation."""
        return directory.grouped(change.new_fingerprint) or "-"


@admin.register(PublicKey)
class PublicKeyAdmin(ReadOnly, ReservationPage, FilePages, DecisionActions, OwnershipFields, LongList):
    """Shows the list of keys and a key with its history; the pages and actions that it inherits decide about keys."""

    # What fits a screen of 1280 pixels beside the filters; the style sheet says what a phone shows of it.
    list_display = [
        "client_id",
        "state",
        "short_fingerprint",
        "changes",
        "last_changed",
    ]
    list_filter = [
        *(RevokedFilter, FrozenFilter, OwnedFilter, ReleaseFilter, ChangedFilter, ChangesFilter),
        *("first_seen", "last_change"),
    ]
    fields = [
        "client_id",
        "grouped_fingerprint",
        "qr_code",
        "first_seen",
        "last_change",
        "changes",
        "revoked_at",
        "frozen_at",
        "owned_since",
        "recovery_code",
        "release_state",
        "statements_in_words",
        "whole_key",
    ]
    inlines = [KeyChangeInline]

    class Media:
        """The pages' own style sheet."""

        css = {"all": ["pkd/keys.css"]}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list, with links to the pages that this operator may use."""
        offered = {
            "may_reserve": self.has_reserve_permission(request),
            "may_export": self.has_export_permission(request),
            "may_import": self.has_import_permission(request),
        }
        return super().changelist_view(request, {**offered, **(extra_context or {})})

    @admin.display(description="state")
    def state(self, key: PublicKey) -> str:
        """Return what operators decided about the key; "-" for nothing."""
        without_a_key = "" if key.fingerprint else "no key"
        words = ["revoked" if key.is_revoked else "", "frozen" if key.is_frozen else "", without_a_key]
        return ", ".join(word for word in words if word) or "-"

    @admin.display(description="last change (UTC)", ordering="last_change")
    def last_changed(self, key: PublicKey) -> str:
        """Return the day and the minute of the last change."""
        return f"{key.last_change.astimezone(UTC):%Y-%m-%d %H:%M}"

    @admin.display(description="fingerprint", ordering="fingerprint")
    def short_fingerprint(self, key: PublicKey) -> str:
        """Return the first four groups; none of a reserved client ID."""
        return directory.grouped(key.fingerprint[:SHORT_FINGERPRINT_CHARACTERS]) or "-"

    @admin.display(description="fingerprint")
    def grouped_fingerprint(self, key: PublicKey) -> str:
        """Return the whole fingerprint in groups; none of a reserved client ID."""
        return directory.grouped(key.fingerprint) or "-"

    @admin.display(description="fingerprint as QR code")
    def qr_code(self, key: PublicKey) -> str:
        """Draw the 64 hex digits, dark on light also where the page is dark, without inline styles."""
        if not key.fingerprint:
            return "-"
        code = segno.make(key.fingerprint, micro=False)
        drawn = code.svg_inline(scale=4, border=4, dark="#000", light="#fff", title="The fingerprint as QR code")
        return mark_safe(drawn)  # noqa: S308  # drawn from hex digits alone

    @admin.display(description="public key")
    def whole_key(self, key: PublicKey) -> str:
        """Return the key with its own line ends; the style sheet breaks long lines, and a copy of it is unchanged."""
        if not key.public_key:
            return "-"
        # HTML takes a line end for LF, and drops the one that a <pre> begins with (HTML, 13.2.3.5 and 13.2.6.4.7).
        text = escape(key.public_key).replace("\r", "&#13;")
        return mark_safe(f'<pre class="public-key">\n{text}</pre>')  # noqa: S308  # escaped above
