"""The admin actions that decide about keys: each asks for a reason on a page, then reports the outcome for each key."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from pkd import directory, keys
from pkd.admin.offers import OFFERS, OFFERS_BY_NAME, Offer, may
from pkd.admin.reason import ReasonForm, ReasonPages
from pkd.decisions import KeyReplacedError, NothingToDoError
from pkd.models import PublicKey

# The confirmation page posts two fields a key, and Django takes 1,000 fields a request.
MAX_KEYS_AT_ONCE = 200
REPLACED = "the client published another key meanwhile"
CONFIRMATION_PAGE = "admin/pkd/publickey/decision.html"


AdminAction = Callable[["DecisionActions", HttpRequest, QuerySet[PublicKey]], TemplateResponse | None]


def _action(offer: Offer) -> AdminAction:
    """Make the admin action of an offer."""

    def decide_selected(
        pages: "DecisionActions", request: HttpRequest, queryset: QuerySet[PublicKey]
    ) -> TemplateResponse | None:
        return pages.decide_selected(request, queryset, offer)

    # The name is what the list posts.
    decide_selected.__name__ = offer.action
    description = f"{offer.verb}: selected public keys"
    return admin.action(permissions=[offer.permission], description=description)(decide_selected)


def check_identity(text: str) -> None:
    """Refuse a text that is no identity, in a form."""
    try:
        keys.identity_key(text)
    except ValueError as error:
        raise ValidationError(f"Nothing was done yet. {error}") from error


class DecisionForm(ReasonForm):
    """Asks for a reason, for the new owner of a released ID, and whether a companion is to be carried out as well."""

    def __init__(self, *args: Any, offer: Offer, companion: Offer | None, **options: Any) -> None:
        super().__init__(*args, **options)
        if offer.names_owner:
            self.fields["new_owner"] = forms.CharField(
                required=False,
                validators=[check_identity],
                widget=forms.TextInput(attrs={"class": "vLargeTextField"}),
                help_text="The identity that alone may take the client ID, as the new owner's client or the directory "
                "has it (a P-256 key in base64url); empty for anybody.",
            )
        if companion is not None:
            self.fields["as_well"] = forms.BooleanField(
                label=f"{companion.verb} as well", required=False, help_text=companion.explanation
            )


class DecisionActions(ReasonPages):
    """Adds the actions to the directory's ModelAdmin."""

    actions = tuple(_action(offer) for offer in OFFERS)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Return whether this operator may revoke keys and lift revocations."""
        return may(request.user, "revoke")

    def has_freeze_permission(self, request: HttpRequest) -> bool:
        """Return whether this operator may freeze and unfreeze client IDs."""
        return may(request.user, "freeze")

    def has_release_permission(self, request: HttpRequest) -> bool:
        """Return whether this operator may release client IDs."""
        return may(request.user, "release")

    def has_erase_permission(self, request: HttpRequest) -> bool:
        """Return whether this operator may erase client IDs."""
        return may(request.user, "erase")

    def close_connection(self, client_id: str) -> None:
        """Close a client's connection, whose ID was released or erased; whoever knows connections overrides this."""

    def decide_selected(
        self, request: HttpRequest, queryset: QuerySet[PublicKey], offer: Offer
    ) -> TemplateResponse | None:
        """Ask for a reason, then decide about each selected key and return None, which leads back to the list."""
        obstacle = offer.decision.obstacle
        keys = list(queryset[: MAX_KEYS_AT_ONCE + 1])
        if len(keys) > MAX_KEYS_AT_ONCE:
            too_many = f"Nothing was done. Select at most {MAX_KEYS_AT_ONCE} keys at once."
            self.message_user(request, too_many, messages.ERROR)
            return None
        if all(obstacle(key) for key in keys):
            for sentence in _skipped({key: obstacle(key) for key in keys}):
                self.message_user(request, f"Nothing to do. {sentence}", messages.WARNING)
            return None
        companion = OFFERS_BY_NAME.get(offer.companion)
        if companion is not None and not companion.is_allowed_to(request.user):
            companion = None
        form = DecisionForm(request.POST if "confirmed" in request.POST else None, offer=offer, companion=companion)
        if form.is_valid():
            if new_owner := form.cleaned_data.get("new_owner"):
                offer = offer.to(new_owner)
            if companion is not None and form.cleaned_data["as_well"]:
                self._decide_each(request, keys, companion, form.cleaned_data["reason"])
            self._decide_each(request, keys, offer, form.cleaned_data["reason"])
            return None
        return self.reason_page(
            request,
            CONFIRMATION_PAGE,
            form,
            title=offer.title,
            offer=offer,
            keys=[(key, directory.grouped(key.fingerprint), obstacle(key)) for key in keys],
            action_checkbox_name=helpers.ACTION_CHECKBOX_NAME,
        )

    def _decide_each(self, request: HttpRequest, keys: list[PublicKey], offer: Offer, reason: str) -> None:
        # The operator decided about the fingerprints on the page; a key published since was not among them.
        shown = set(request.POST.getlist("fingerprint"))
        done: list[PublicKey] = []
        skipped: dict[PublicKey, str] = {}
        for key in keys:
            if key.fingerprint not in shown:
                skipped[key] = REPLACED
                continue
            try:
                offer.carry_out(request.user, key, reason)
            except NothingToDoError as error:
                skipped[key] = str(error)
            except KeyReplacedError:
                skipped[key] = REPLACED
            else:
                done.append(key)
                if offer.closes:
                    self.close_connection(key.client_id)
        if done:
            self.message_user(request, f"{offer.done} {_named(done)}.", messages.SUCCESS)
        for sentence in _skipped(skipped):
            self.message_user(request, sentence, messages.WARNING)


def _skipped(why: dict[PublicKey, str]) -> list[str]:
    keys: defaultdict[str, list[PublicKey]] = defaultdict(list)
    for key, obstacle in why.items():
        keys[obstacle].append(key)
    return [f"Skipped, because {obstacle}: {_named(named)}." for obstacle, named in keys.items()]


def _named(keys: list[PublicKey]) -> str:
    noun = "the key of" if len(keys) == 1 else f"{len(keys)} keys:"
    return f"{noun} {', '.join(key.client_id for key in keys)}"
