"""The page that reserves client IDs: no key can be published for them until an operator unfreezes them."""

import msgspec
from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path

from pkd import decisions
from pkd.admin.actions import MAX_KEYS_AT_ONCE
from pkd.admin.reason import ReasonForm, ReasonPages
from pkd.decisions import NothingToDoError
from pkd.keys import ClientId


class ReservationForm(ReasonForm):
    """Asks for client IDs and a reason."""

    client_ids = forms.CharField(
        label="Client IDs",
        widget=forms.Textarea(attrs={"rows": 6, "class": "vLargeTextField", "autofocus": True}),
        help_text=f"One a line, at most {MAX_KEYS_AT_ONCE}. Those that the directory knows can be frozen in its list.",
        error_messages={"required": "Nothing was reserved yet. Give a client ID first."},
    )
    field_order = ("client_ids", "reason")

    def clean_client_ids(self) -> list[str]:
        """Return the client IDs, each once; name the first bad line."""
        lines = [line.strip() for line in self.cleaned_data["client_ids"].splitlines()]
        for number, line in enumerate(lines, 1):
            try:
                msgspec.convert(line or "_", ClientId)
            except msgspec.ValidationError:
                raise forms.ValidationError(
                    f"Line {number} is no client ID; write 1 to 64 letters, digits, hyphens or underscores."
                ) from None
        client_ids = list(dict.fromkeys(line for line in lines if line))
        if len(client_ids) > MAX_KEYS_AT_ONCE:
            raise forms.ValidationError(f"Reserve at most {MAX_KEYS_AT_ONCE} client IDs at once.")
        return client_ids


class ReservationPage(ReasonPages):
    """Adds the page to the directory's ModelAdmin."""

    def has_reserve_permission(self, request: HttpRequest) -> bool:
        """Return whether this operator may reserve client IDs."""
        return request.user.has_perm("pkd.freeze_publickey")

    def get_urls(self) -> list[URLPattern]:
        """Return the page's URL before the others, as a single key's would match it."""
        wrapped = self.admin_site.admin_view(self.reserve)
        return [path("reserve/", wrapped, name="pkd_publickey_reserve"), *super().get_urls()]

    def reserve(self, request: HttpRequest) -> HttpResponseBase:
        """Ask for client IDs and a reason, then reserve them."""
        if not self.has_reserve_permission(request):
            raise PermissionDenied
        form = ReservationForm(request.POST or None)
        if form.is_valid():
            self._reserve_each(request, **form.cleaned_data)
            return redirect("admin:pkd_publickey_changelist")
        return self.reason_page(request, "admin/pkd/publickey/reservation.html", form, title="Reserve client IDs")

    def _reserve_each(self, request: HttpRequest, client_ids: list[str], reason: str) -> None:
        reserved, known = [], []
        for client_id in client_ids:
            try:
                with transaction.atomic():
                    key = decisions.reserve(client_id, request.user.get_username(), reason)
                    self.log_addition(request, key, f"Reserved the client ID: {reason}")
            except NothingToDoError:
                known.append(client_id)
            else:
                reserved.append(client_id)
        if reserved:
            self.message_user(request, f"Reserved {', '.join(reserved)}.", messages.SUCCESS)
        if known:
            sentence = f"Skipped, because already in the directory: {', '.join(known)}. Freeze those in the list."
            self.message_user(request, sentence, messages.WARNING)
