"""Publish and look up public keys (PROTOCOL.md, "Public key directory")."""

import hashlib
import math
import time

import msgspec
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from pkd import keys, sql
from pkd.database import PATIENCE_SECONDS, DirectoryUnavailableError, ask
from pkd.models import Identity, KeyChange, PublicKey, Release

__all__ = ["DirectoryUnavailableError", "ask"]


# The last word on one key of a client: that it is revoked, or no longer.
FATE = """
SELECT kind FROM pkd_keychange WHERE key_id = %s
AND ((kind = 'revoked' AND old_fingerprint = %s) OR (kind = 'lifted' AND new_fingerprint = %s)) ORDER BY id DESC LIMIT 1
"""


class KeyRevokedError(Exception):
    """An operator revoked this very key; the client has to publish a new one."""


class KeyFrozenError(Exception):
    """An operator froze this client ID; only an operator can let its key change."""


class KeyOwnedError(Exception):
    """The client ID belongs to a key: only a statement changes what is published for it."""


async def publish(client_id: str, public_key: str) -> KeyChange.Kind | None:
    """Make `public_key` the client's current key; return the kind of change after the commit, None for none.

    Raises `KeyFrozenError`, `KeyRevokedError`, `KeyOwnedError`, `DirectoryUnavailableError`, `keys.BadKeyError` for
    what is no key, or `ValueError` for what is no client ID.
    """
    return await ask(store, client_id, public_key, time.monotonic() + PATIENCE_SECONDS, to="publish")


async def look_up(client_id: str) -> str | None:
    """Return the client's current key; None where there is none or it is revoked.

    Raises `DirectoryUnavailableError`.
    """
    return await ask(current_key, client_id)


def store(client_id: str, public_key: str, deadline: float = math.inf) -> KeyChange.Kind | None:
    """Do what `publish` does, in the calling thread; return the kind of change, None where nothing changed.

    Raises `DirectoryUnavailableError` after the `deadline` (monotonic, in seconds), and has changed nothing.
    """
    msgspec.convert(client_id, keys.ClientId)
    if problem := keys.problem(public_key, settings.LIMITS.public_key_bytes):
        raise keys.BadKeyError(problem)
    # Durable: inside another transaction the return would promise a commit that may never come.
    with transaction.atomic(durable=True):
        kind = _store(client_id, public_key)
        if time.monotonic() > deadline:
            # The client has been told so, and may have published another key elsewhere since.
            raise DirectoryUnavailableError
        return kind


def current_key(client_id: str) -> str | None:
    """Do what `look_up` does, in the calling thread."""
    try:
        msgspec.convert(client_id, keys.ClientId)
    except msgspec.ValidationError:
        return None
    current = PublicKey.objects.filter(client_id=client_id, revoked_at=None)
    current = current.exclude(release__takes_effect_at__lte=timezone.now())
    # A reserved client ID has an empty one.
    return current.values_list("public_key", flat=True).first() or None


def is_revoked(key: PublicKey, fingerprint: str) -> bool:
    """Return whether this client's key with `fingerprint`, its current one or an earlier one, is revoked now."""
    return sql.row(FATE, key.pk, fingerprint, fingerprint) == (KeyChange.Kind.REVOKED,)


def replace(public_key: str, change: KeyChange) -> None:
    """Make `public_key` the current key of the locked row `change.key`; `change` is added to its history."""
    key = change.key
    change.old_fingerprint, change.new_fingerprint = key.fingerprint, fingerprint(public_key)
    key.public_key, key.fingerprint, key.revoked_at = public_key, change.new_fingerprint, None
    if change.old_fingerprint:
        record(change)
        return
    # Only now is a key seen; the first one is not a change.
    change.save()
    key.first_seen = key.last_change = change.at
    key.save()


def withdraw(key: PublicKey) -> KeyChange.Kind:
    """Leave a locked row without a key, as its owner says; return the kind of the change, which its history keeps."""
    change = KeyChange(key=key, kind=KeyChange.Kind.WITHDRAWN, who=KeyChange.CLIENT, old_fingerprint=key.fingerprint)
    key.public_key, key.fingerprint, key.revoked_at = "", "", None
    record(change)
    return KeyChange.Kind.WITHDRAWN


def record(change: KeyChange) -> None:
    """Save the change, and its key with one change more."""
    change.save()
    change.key.last_change = change.at
    change.key.changes += 1
    change.key.save()


def fingerprint(public_key: str) -> str:
    """Return the SHA-256 of the UTF-8 key, in hex."""
    return hashlib.sha256(public_key.encode()).hexdigest()


def grouped(fingerprint: str) -> str:
    """Space the fingerprint in groups of 4, as people compare it."""
    return " ".join(fingerprint[start : start + 4] for start in range(0, len(fingerprint), 4))


def _store(client_id: str, public_key: str) -> KeyChange.Kind | None:
    new = fingerprint(public_key)
    key, is_first = _lock_or_create(client_id, public_key, new)
    if is_first:
        return KeyChange.Kind.PUBLISHED
    released = Release.objects.filter(key=key, takes_effect_at__lte=timezone.now()).first()
    if Identity.objects.filter(key=key).exists() or (released is not None and released.to):
        raise KeyOwnedError
    if key.fingerprint == new and not key.is_revoked and released is None:
        return None
    # First: the client of a frozen ID, whose key is revoked, must not be told to publish a new one.
    if key.is_frozen:
        raise KeyFrozenError
    if is_revoked(key, new):
        raise KeyRevokedError
    # Without a fingerprint the ID was reserved.
    kind = KeyChange.Kind.CHANGED if key.fingerprint else KeyChange.Kind.PUBLISHED
    replace(public_key, KeyChange(key=key, kind=kind, who=KeyChange.CLIENT))
    if released is not None:
        # Whoever took the ID published for it.
        released.delete()
    return kind


def _lock_or_create(client_id: str, public_key: str, new: str) -> tuple[PublicKey, bool]:
    """Return the client's row, locked until the commit, and whether it was just published.

    Of two first publications at once the second waits for the first to commit and then finds its row.
    """
    now = timezone.now()
    key, is_first = PublicKey.objects.select_for_update().get_or_create(
        client_id=client_id,
        defaults={"public_key": public_key, "fingerprint": new, "first_seen": now, "last_change": now},
    )
    if is_first:
        key.history.create(at=now, kind=KeyChange.Kind.PUBLISHED, who=KeyChange.CLIENT, new_fingerprint=new)
    return key, is_first
