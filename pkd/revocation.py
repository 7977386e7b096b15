"""The admin action that revokes keys: a page to confirm on, a reason, and what became of each key."""

from typing import TYPE_CHECKING

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from pkd import directory
from pkd.models import MAX_REASON_CHARACTERS, PublicKey

if TYPE_CHECKING:
    from pkd.admin import PublicKeyAdmin

# The confirmation page posts two fields a key, and Django takes 1,000 fields a request.
MAX_KEYS_AT_ONCE = 200
CONFIRMATION_PAGE = "admin/pkd/publickey/revoke_selected_confirmation.html"


class ReasonForm(forms.Form):
    """Why the keys are revoked."""

    reason = forms.CharField(
        max_length=MAX_REASON_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField", "autofocus": True}),
        help_text="Kept for good, in the history of each key and in the log of the admin.",
        error_messages={"required": "Nothing was revoked yet. Give a reason first."},
    )


@admin.action(permissions=["revoke"], description="Revoke selected public keys")
def revoke_selected(
    model_admin: "PublicKeyAdmin", request: HttpRequest, queryset: QuerySet[PublicKey]
) -> TemplateResponse | None:
    """Ask for a reason first, then revoke; None leads back to the list."""
    keys = list(queryset[: MAX_KEYS_AT_ONCE + 1])
    if len(keys) > MAX_KEYS_AT_ONCE:
        too_many = f"Nothing was revoked. Select at most {MAX_KEYS_AT_ONCE} keys at once."
        model_admin.message_user(request, too_many, messages.ERROR)
        return None
    if all(key.is_revoked for key in keys):
        model_admin.message_user(request, f"Nothing to revoke. {_already_revoked(keys)}", messages.WARNING)
        return None
    form = ReasonForm(request.POST if "confirmed" in request.POST else None)
    if form.is_valid():
        _revoke(model_admin, request, keys, form.cleaned_data["reason"])
        return None
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Revoke public keys",
        "opts": model_admin.opts,
        "media": model_admin.media,
        "form": form,
        "keys": [(key, directory.grouped(key.fingerprint)) for key in keys],
        "action": revoke_selected.__name__,
        "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, CONFIRMATION_PAGE, context)


def _revoke(model_admin: "PublicKeyAdmin", request: HttpRequest, keys: list[PublicKey], reason: str) -> None:
    # The operator decided about the fingerprints on the page; a key published since was not among them.
    shown = set(request.POST.getlist("fingerprint"))
    revoked: list[PublicKey] = []
    already_revoked: list[PublicKey] = []
    replaced: list[PublicKey] = []
    for key in keys:
        if key.fingerprint not in shown:
            replaced.append(key)
            continue
        try:
            with transaction.atomic():
                directory.revoke(key, request.user.get_username(), reason)
                entry = f"Revoked the key {directory.grouped(key.fingerprint)}: {reason}"
                model_admin.log_change(request, key, entry)
        except directory.KeyRevokedError:
            already_revoked.append(key)
        except directory.KeyReplacedError:
            replaced.append(key)
        else:
            revoked.append(key)
    if revoked:
        model_admin.message_user(request, f"Revoked {_named(revoked)}.", messages.SUCCESS)
    if already_revoked:
        model_admin.message_user(request, _already_revoked(already_revoked), messages.WARNING)
    if replaced:
        changed = f"Not revoked, because the client published another key meanwhile: {_named(replaced)}."
        model_admin.message_user(request, changed, messages.WARNING)


def _already_revoked(keys: list[PublicKey]) -> str:
    return f"Skipped, because already revoked: {_named(keys)}."


def _named(keys: list[PublicKey]) -> str:
    noun = "the key of" if len(keys) == 1 else f"{len(keys)} keys:"
    return f"{noun} {', '.join(key.client_id for key in keys)}"
