"""Operators' decisions about a client's key: to revoke or freeze it, or to lift either; each is kept with its reason.

Frozen and revoked are independent: a frozen key can be revoked. Then looking it up finds nothing, and no
other key can take its place until an operator unfreezes the client ID.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec
from django.db import transaction
from django.utils import timezone

from pkd import directory, keys
from pkd.models import MAX_REASON_CHARACTERS, KeyChange, PublicKey


class KeyReplacedError(Exception):
    """The client published another key since the operator looked."""


class NothingToDoError(Exception):
    """The key is already as the decision would leave it; the text says how it is."""


@dataclass(frozen=True)
class Decision:
    """A row of the table below: a decision that an operator may make, and the field of the key that it sets.

    `obstacle` says why a key is not concerned, "" if it is. `sets` the time in `field`, or clears it.
    """

    kind: KeyChange.Kind
    field: Literal["revoked_at", "frozen_at"]
    sets: bool
    obstacle: Callable[[PublicKey], str]

    def decide(self, key: PublicKey, operator: str, reason: str) -> None:
        """Decide about `key`, as the operator saw it, in a transaction of its own.

        Raises `NothingToDoError`, `KeyReplacedError` where the client has published another key since `key`
        was read, and `ValueError` without a reason of up to 500 characters.
        """
        reason = checked_reason(reason)
        with transaction.atomic():
            current = PublicKey.objects.select_for_update().get(pk=key.pk)
            if current.fingerprint != key.fingerprint:
                raise KeyReplacedError
            if obstacle := self.obstacle(current):
                raise NothingToDoError(obstacle)
            self.record(current, operator, reason)

    def record(self, key: PublicKey, operator: str, reason: str) -> None:
        """Set or clear the field of a locked key, and add the change to its history."""
        changes_what_is_found = self.field == "revoked_at"
        change = KeyChange(key=key, kind=self.kind, who=operator, reason=reason)
        if self.kind != KeyChange.Kind.LIFTED:
            change.old_fingerprint = key.fingerprint
        if self.kind != KeyChange.Kind.REVOKED:
            change.new_fingerprint = key.fingerprint
        setattr(key, self.field, change.at if self.sets else None)
        if changes_what_is_found:
            directory.record(change)
        else:
            change.save()
            key.save()


def _obstacle_to_revoking(key: PublicKey) -> str:
    if not key.fingerprint:
        return "no key published"
    return "already revoked" if key.is_revoked else ""


REVOKE = Decision(KeyChange.Kind.REVOKED, "revoked_at", sets=True, obstacle=_obstacle_to_revoking)
LIFT = Decision(
    KeyChange.Kind.LIFTED, "revoked_at", sets=False, obstacle=lambda key: "" if key.is_revoked else "not revoked"
)
FREEZE = Decision(
    KeyChange.Kind.FROZEN, "frozen_at", sets=True, obstacle=lambda key: "already frozen" if key.is_frozen else ""
)
UNFREEZE = Decision(
    KeyChange.Kind.UNFROZEN, "frozen_at", sets=False, obstacle=lambda key: "" if key.is_frozen else "not frozen"
)


def reserve(client_id: str, operator: str, reason: str) -> PublicKey:
    """Freeze a client ID that has no key yet: no key can be published for it until it is unfrozen.

    Raises `NothingToDoError` for an ID that the directory knows, and `ValueError` for what is no client ID and
    without a reason of up to 500 characters.
    """
    reason = checked_reason(reason)
    msgspec.convert(client_id, keys.ClientId)
    now = timezone.now()
    with transaction.atomic():
        key, is_new = PublicKey.objects.get_or_create(
            client_id=client_id, defaults={"first_seen": now, "last_change": now, "frozen_at": now}
        )
        if not is_new:
            raise NothingToDoError("already in the directory")
        key.history.create(at=now, kind=KeyChange.Kind.FROZEN, who=operator, reason=reason)
    return key


def checked_reason(reason: str) -> str:
    """Return the reason without white space around it; `ValueError` unless it has 1 to 500 characters, none of NUL."""
    reason = reason.strip()
    # Postgres has no room for a NUL.
    if not 1 <= len(reason) <= MAX_REASON_CHARACTERS or "\0" in reason:
        raise ValueError
    return reason
