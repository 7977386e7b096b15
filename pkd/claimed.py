"""Decide who may make a client ID his own (TRUST.md, "Claiming")."""

from datetime import timedelta

from django.utils import timezone

from pkd import keys
from pkd.identities import is_in_effect
from pkd.models import KeyChange, PublicKey, Release
from pkd.statement_rules import Proposal

# A key that was published over another one claims nothing until the owner had time to notice.
CURRENT_HOURS = 24
# After these a key is the one that is looked up; the others leave it as it is.
MAKE_IT_CURRENT = (
    KeyChange.Kind.PUBLISHED,
    KeyChange.Kind.CHANGED,
    KeyChange.Kind.IMPORTED,
    KeyChange.Kind.LIFTED,
)


class NotTheirsError(Exception):
    """A statement claims a client ID that is another's, or without a connection that is registered as it."""


def check(key: PublicKey, release: Release | None, proposal: Proposal, *, is_registered: bool) -> None:
    """Raise `NotTheirsError` for who may not claim: by the first statement, or by the first one after a release."""
    statement, before = proposal.statement, proposal.before
    is_claim = statement.seq == 0 or (proposal.is_released and not proposal.keeps_its_owner)
    if is_claim and not is_registered:
        raise NotTheirsError("Register as this client ID first: a statement that claims it needs that.")
    if before is None:
        if is_claim and not _may_claim(key, release, statement.identity):
            raise NotTheirsError(
                "This client ID has a key, and only an identity that is that key, for 24 hours, can claim it."
            )
    elif statement.seq == 0 and statement.identity != before.identity:
        raise NotTheirsError("This client ID belongs to another key.")
    elif release is not None and proposal.is_released and release.to not in {"", statement.identity}:
        raise NotTheirsError("This client ID was released to another key.")


def _may_claim(key: PublicKey, release: Release | None, identity: str) -> bool:
    """Return whether `identity` may make the first statement of a client ID that belongs to no key."""
    if release is not None and is_in_effect(release):
        return release.to in {"", identity}
    if not key.fingerprint:
        return True
    if key.public_key != identity or key.is_revoked or not keys.is_identity(identity):
        return False
    current_since = key.history.filter(kind__in=MAKE_IT_CURRENT).values_list("at", flat=True).first()
    return current_since is not None and current_since <= timezone.now() - timedelta(hours=CURRENT_HOURS)
