"""Look up who a client ID belongs to, and the statements that say so (TRUST.md, "Statements")."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone

from pkd.models import Identity, PublicKey, Release
from pkd.statements import Signatures

# A client asks on, from the last of these, where an answer has so many.
MOST_STATEMENTS = 32
ALL = -1


class Listed(NamedTuple):
    """A statement of an answer; of an erased client ID only its kind is left."""

    kind: int
    text: str = ""
    # None for the statement from which the client asked on: it has it.
    signatures: Signatures | None = None


class Standing(NamedTuple):
    """The answer about a client ID: whether it belongs to a key, the key, and its statements."""

    public_key: str | None
    status: str
    statements: list[Listed]
    directory: str
    released_at_ms: int | None = None


class Owned(NamedTuple):
    """A client ID that belongs to a key, and who may register it: see `Registry.own`."""

    client_id: str
    identity: str
    is_released: bool = False
    is_erased: bool = False


def standing(client_id: str, after: int = ALL) -> Standing:
    """Describe a client ID, with its statements from the one with the `seq` `after` on, or all."""
    with transaction.atomic():
        key = PublicKey.objects.filter(client_id=client_id).first()
        if key is None:
            return Standing(None, "unsigned", [], settings.DIRECTORY_NAME)
        identity = Identity.objects.filter(key=key).first()
        release = Release.objects.filter(key=key).first()
        status = _status_of(key, identity, release)
        is_withheld = key.is_revoked or is_in_effect(release) or status == "erased"
        return Standing(
            # A reserved client ID has an empty one.
            None if is_withheld else key.public_key or None,
            status,
            [] if identity is None else _statements_of(identity, after),
            settings.DIRECTORY_NAME,
            None if release is None else round(release.takes_effect_at.timestamp() * 1000),
        )


def is_in_effect(release: Release | None) -> bool:
    """Return whether a client ID is released now."""
    return release is not None and release.takes_effect_at <= timezone.now()


def owned(client_id: str) -> Owned | None:
    """Return who may register a client ID; None for one that belongs to no key."""
    return next(_owned(Identity.objects.filter(key__client_id=client_id)), None)


def changed_since(moment: datetime | None) -> list[Owned]:
    """Return the client IDs that belong to a key and were changed since `moment`; all of them for None."""
    identities = Identity.objects.all()
    return list(_owned(identities if moment is None else identities.filter(changed_at__gte=moment)))


def _owned(identities: models.QuerySet[Identity]) -> Iterator[Owned]:
    now = timezone.now()
    fields = ("key__client_id", "identity", "key__release__takes_effect_at", "erased_at")
    for client_id, identity, takes_effect_at, erased_at in identities.values_list(*fields).iterator():
        is_released = takes_effect_at is not None and takes_effect_at <= now
        yield Owned(client_id, identity, is_released, erased_at is not None)


def _status_of(key: PublicKey, identity: Identity | None, release: Release | None) -> str:
    if identity is None:
        return "unsigned"
    if identity.erased_at is not None:
        return "erased"
    if is_in_effect(release):
        return "released"
    return "revoked" if key.is_revoked else "signed"


def _statements_of(identity: Identity, after: int) -> list[Listed]:
    if identity.erased_at is not None:
        return [Listed(identity.last_kind)]
    # The seq of the row that was read: what is appended meanwhile is left to the next answer.
    rows = identity.statements.filter(seq__gte=max(after, 0), seq__lte=identity.seq)[:MOST_STATEMENTS]
    return [Listed(row.kind, row.text, None if row.seq == after else row.signatures) for row in rows]
