"""The page that reserves client IDs: nobody can publish a key for them until an operator unfreezes them."""

from typing import TYPE_CHECKING

import msgspec
from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from pkd import decisions
from pkd.actions import MAX_KEYS_AT_ONCE, ReasonForm
from pkd.decisions import NothingToDoError
from pkd.keys import ClientId

if TYPE_CHECKING:
    from pkd.admin import PublicKeyAdmin


class ReservationForm(ReasonForm):
    """Which client IDs, and why."""

    client_ids = forms.CharField(
        label="Client IDs",
        widget=forms.Textarea(attrs={"rows": 6, "class": "vLargeTextField", "autofocus": True}),
        help_text=f"One a line, at most {MAX_KEYS_AT_ONCE}. Those that the directory knows can be frozen in its list.",
        error_messages={"required": "Nothing was reserved yet. Give a client ID first."},
    )
    field_order = ("client_ids", "reason")

    def clean_client_ids(self) -> list[str]:
        """Check each line, and name the first bad one."""
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


def reserve(model_admin: "PublicKeyAdmin", request: HttpRequest) -> HttpResponseBase:
    """Ask for client IDs and a reason, then reserve them."""
    if not model_admin.has_freeze_permission(request):
        raise PermissionDenied
    form = ReservationForm(request.POST or None)
    if form.is_valid():
        _reserve(model_admin, request, **form.cleaned_data)
        return redirect("admin:pkd_publickey_changelist")
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Reserve client IDs",
        "opts": model_admin.opts,
        "media": model_admin.media,
        "form": form,
    }
    return TemplateResponse(request, "admin/pkd/publickey/reservation.html", context)


def _reserve(model_admin: "PublicKeyAdmin", request: HttpRequest, client_ids: list[str], reason: str) -> None:
    reserved, known = [], []
    for client_id in client_ids:
        try:
            with transaction.atomic():
                key = decisions.reserve(client_id, request.user.get_username(), reason)
                model_admin.log_addition(request, key, f"Reserved the client ID: {reason}")
        except NothingToDoError:
            known.append(client_id)
        else:
            reserved.append(client_id)
    if reserved:
        model_admin.message_user(request, f"Reserved {', '.join(reserved)}.", messages.SUCCESS)
    if known:
        sentence = f"Skipped, because already in the directory: {', '.join(known)}. Freeze those in the list."
        model_admin.message_user(request, sentence, messages.WARNING)
