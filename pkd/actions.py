"""The admin actions that decide about keys: a page to confirm on, a reason, and what became of each key."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from pkd import directory
from pkd.decisions import FREEZE, LIFT, REVOKE, UNFREEZE, Decision, KeyReplacedError, NothingToDoError
from pkd.models import MAX_REASON_CHARACTERS, PublicKey

if TYPE_CHECKING:
    from pkd.admin import PublicKeyAdmin

# The confirmation page posts two fields a key, and Django takes 1,000 fields a request.
MAX_KEYS_AT_ONCE = 200
REPLACED = "the client published another key meanwhile"
CONFIRMATION_PAGE = "admin/pkd/publickey/decision.html"


@dataclass(frozen=True)
class Offer:
    """A decision as the pages offer it: to whom, under which name, in which words."""

    decision: Decision
    permission: str
    name: str
    title: str
    verb: str
    done: str
    explanation: str


OFFERS = [
    Offer(
        REVOKE,
        "revoke",
        name="revoke_selected",
        title="Revoke public keys",
        verb="Revoke",
        done="Revoked",
        explanation="A revoked key is no longer given to anyone who looks it up, and its client cannot publish it "
        "again; the client has to publish a new one. Calls that are already open go on.",
    ),
    Offer(
        LIFT,
        "revoke",
        name="lift_selected",
        title="Lift the revocation of public keys",
        verb="Lift the revocation",
        done="Lifted the revocation of",
        explanation="The key is given again to everyone who looks it up, as before it was revoked. "
        "The history keeps both.",
    ),
    Offer(
        FREEZE,
        "freeze",
        name="freeze_selected",
        title="Freeze client IDs",
        verb="Freeze",
        done="Froze",
        explanation="The client of a frozen ID can publish no other key until an operator unfreezes it; publishing "
        "the same key goes on. A frozen key can still be revoked: then nobody finds it, and none takes its place.",
    ),
    Offer(
        UNFREEZE,
        "freeze",
        name="unfreeze_selected",
        title="Unfreeze client IDs",
        verb="Unfreeze",
        done="Unfroze",
        explanation="The client can publish another key again.",
    ),
]

AdminAction = Callable[["PublicKeyAdmin", HttpRequest, QuerySet[PublicKey]], TemplateResponse | None]


class ReasonForm(forms.Form):
    """Why it is decided."""

    reason = forms.CharField(
        max_length=MAX_REASON_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField", "autofocus": True}),
        help_text="Kept for good, in the history of each key.",
        error_messages={"required": "Nothing was done yet. Give a reason first."},
    )


def _action(offer: Offer) -> AdminAction:
    decision = offer.decision

    def decide_selected(
        model_admin: "PublicKeyAdmin", request: HttpRequest, queryset: QuerySet[PublicKey]
    ) -> TemplateResponse | None:
        """Ask for a reason first, then decide; None leads back to the list."""
        keys = list(queryset[: MAX_KEYS_AT_ONCE + 1])
        if len(keys) > MAX_KEYS_AT_ONCE:
            too_many = f"Nothing was done. Select at most {MAX_KEYS_AT_ONCE} keys at once."
            model_admin.message_user(request, too_many, messages.ERROR)
            return None
        if all(decision.obstacle(key) for key in keys):
            for sentence in _skipped({key: decision.obstacle(key) for key in keys}):
                model_admin.message_user(request, f"Nothing to do. {sentence}", messages.WARNING)
            return None
        form = ReasonForm(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            _decide(model_admin, request, keys, offer, form.cleaned_data["reason"])
            return None
        context = {
            **model_admin.admin_site.each_context(request),
            "title": offer.title,
            "opts": model_admin.opts,
            "media": model_admin.media,
            "form": form,
            "offer": offer,
            "keys": [(key, directory.grouped(key.fingerprint), decision.obstacle(key)) for key in keys],
            "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, CONFIRMATION_PAGE, context)

    # The name is what the list posts.
    decide_selected.__name__ = offer.name
    description = f"{offer.verb}: selected public keys"
    return admin.action(permissions=[offer.permission], description=description)(decide_selected)


ACTIONS = [_action(offer) for offer in OFFERS]


def _decide(
    model_admin: "PublicKeyAdmin",
    request: HttpRequest,
    keys: list[PublicKey],
    offer: Offer,
    reason: str,
) -> None:
    # The operator decided about the fingerprints on the page; a key published since was not among them.
    shown = set(request.POST.getlist("fingerprint"))
    done: list[PublicKey] = []
    skipped: dict[PublicKey, str] = {}
    for key in keys:
        if key.fingerprint not in shown:
            skipped[key] = REPLACED
            continue
        try:
            with transaction.atomic():
                offer.decision.take(key, request.user.get_username(), reason)
                entry = f"{offer.done} the key {directory.grouped(key.fingerprint) or '(none yet)'}: {reason}"
                model_admin.log_change(request, key, entry)
        except NothingToDoError as error:
            skipped[key] = str(error)
        except KeyReplacedError:
            skipped[key] = REPLACED
        else:
            done.append(key)
    if done:
        model_admin.message_user(request, f"{offer.done} {_named(done)}.", messages.SUCCESS)
    for sentence in _skipped(skipped):
        model_admin.message_user(request, sentence, messages.WARNING)


def _skipped(why: dict[PublicKey, str]) -> list[str]:
    keys: defaultdict[str, list[PublicKey]] = defaultdict(list)
    for key, obstacle in why.items():
        keys[obstacle].append(key)
    return [f"Skipped, because {obstacle}: {_named(named)}." for obstacle, named in keys.items()]


def _named(keys: list[PublicKey]) -> str:
    noun = "the key of" if len(keys) == 1 else f"{len(keys)} keys:"
    return f"{noun} {', '.join(key.client_id for key in keys)}"
