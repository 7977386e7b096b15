"""Release a client ID (TRUST.md, "Claiming"): decided by an operator, cancelled by its owner, used by a new one."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from pkd import keys
from pkd.decisions import NothingToDoError, checked_reason
from pkd.models import Identity, KeyChange, PublicKey, Release
from pkd.statements import NOTHING


def obstacle_to_releasing(key: PublicKey) -> str:
    """Return why a client ID cannot be released, "" if it can."""
    identity = Identity.objects.filter(key=key).first()
    if identity is None and not key.fingerprint:
        return "nobody has it"
    if identity is not None and identity.erased_at is not None:
        return "erased"
    return "already released" if Release.objects.filter(key=key).exists() else ""


def obstacle_to_erasing(key: PublicKey) -> str:
    """Return why a client ID cannot be erased, "" if it can."""
    identity = Identity.objects.filter(key=key).first()
    if identity is None:
        return "belongs to no key"
    return "already erased" if identity.erased_at is not None else ""


def decide(key: PublicKey, operator: str, reason: str, to: str = "") -> Release:
    """Release a client ID, `RELEASE_HOURS` from now, to anybody or to the identity `to` alone.

    Raises `NothingToDoError` where it is released or erased already or nobody has it, and `ValueError` without a
    reason, and for a `to` that is no identity.
    """
    reason = checked_reason(reason)
    if to:
        keys.identity_key(to)
    now = timezone.now()
    with transaction.atomic():
        key = PublicKey.objects.select_for_update().get(pk=key.pk)
        if obstacle := obstacle_to_releasing(key):
            raise NothingToDoError(obstacle)
        release = Release.objects.create(
            key=key, decided_at=now, takes_effect_at=now + timedelta(hours=settings.RELEASE_HOURS), to=to
        )
        _note(key, Identity.objects.filter(key=key).first(), KeyChange.Kind.RELEASED, operator, reason)
    return release


def cancel(client_id: str) -> bool:
    """Cancel a release that is not in effect, for the owner who has just signed; return whether there was one.

    An owner who had the ID for less than `VETO_DAYS` when the operator decided cannot: else squatters would keep what
    they take.
    """
    with transaction.atomic():
        key = PublicKey.objects.select_for_update().get(client_id=client_id)
        identity = Identity.objects.filter(key=key).first()
        release = Release.objects.filter(key=key).first()
        if identity is None or release is None or not may_cancel(identity, release):
            return False
        release.delete()
        _note(key, identity, KeyChange.Kind.KEPT, KeyChange.CLIENT, "The owner signed.")
    return True


def may_cancel(identity: Identity, release: Release) -> bool:
    """Return whether the owner can cancel a release now."""
    had_it_for = release.decided_at - identity.owned_since
    return timezone.now() < release.takes_effect_at and had_it_for >= timedelta(days=settings.VETO_DAYS)


def erase(key: PublicKey, operator: str, reason: str) -> None:
    """Delete the statements and the key of a client ID, and close it for good.

    Raises `NothingToDoError` where it belongs to no key or is erased, and `ValueError` without a reason.
    """
    reason = checked_reason(reason)
    with transaction.atomic():
        key = PublicKey.objects.select_for_update().get(pk=key.pk)
        if obstacle := obstacle_to_erasing(key):
            raise NothingToDoError(obstacle)
        identity = Identity.objects.get(key=key)
        Release.objects.filter(key=key).delete()
        identity.erased_at = timezone.now()
        # What the text of its statements named is gone with them, and nobody's signature counts from here on.
        identity.identity, identity.since_seq = NOTHING, identity.seq + 1
        _note(key, identity, KeyChange.Kind.ERASED, operator, reason)
        identity.statements.all().erase()
        key.public_key = key.fingerprint = ""
        key.save()


def _note(key: PublicKey, identity: Identity | None, kind: KeyChange.Kind, who: str, reason: str) -> None:
    """Add a change that leaves the key as it is to its history, and mark the identity as changed."""
    fingerprints = {"old_fingerprint": key.fingerprint, "new_fingerprint": key.fingerprint}
    if kind is KeyChange.Kind.ERASED:
        fingerprints["new_fingerprint"] = ""
    change = key.history.create(kind=kind, who=who, reason=reason, **fingerprints)
    if identity is not None:
        identity.changed_at = change.at
        identity.save()
