"""Accept statements: what the directory alone can check, and what follows from one (TRUST.md, "Statements").

How it works
------------
`accept` locks the row of the client ID's key, so that of two statements at once the second meets the first. Then, in
the order of TRUST.md's table of refusals: the last statement again, whose claim it is, rules 1 to 5, the public key,
frozen, limits. Whatever is refused leaves the database as it was.
"""

import math
import time
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from pkd import claimed, directory, release, statement_rules, statements
from pkd.identities import is_in_effect, token_of
from pkd.locked import Before, lock
from pkd.models import Identity, KeyChange, PublicKey, Statement
from pkd.statement_rules import Kind, Proposal
from pkd.statements import BadStatementError, Signatures

A_DAY = timedelta(days=1)
# Saves the row of a statement, in the transaction that accepts it.
Save = Callable[[Statement], None]


class TooManyError(Exception):
    """A limit of TRUST.md is reached; `retry_after_seconds` says when it is not."""

    def __init__(self, sentence: str, retry_after_seconds: float) -> None:
        super().__init__(sentence)
        self.retry_after_seconds = retry_after_seconds


class Offered(NamedTuple):
    """A statement as a client sent it, and whether its connection is registered as the client ID."""

    public_key: str | None
    statement: statements.Statement
    signatures: Signatures
    is_registered: bool


class Accepted(NamedTuple):
    """An accepted statement: with `token` the owner claims the ID now; a repetition changes nothing.

    `has_new_owner` also where a release was in effect: whoever registered meanwhile has not signed.
    """

    token: str
    has_new_owner: bool = False
    is_repeated: bool = False
    change: KeyChange.Kind | None = None


def check_shape(client_id: str, statement: statements.Statement) -> None:
    """Raise `BadStatementError` for a statement about another client ID, or of another directory."""
    if statement.client_id != client_id:
        raise BadStatementError("The line 'id' of a statement is the clientId that it is sent with.")
    if statement.directory != settings.DIRECTORY_NAME:
        raise BadStatementError("The line 'directory' of a statement names this directory; it was made for another.")


def accept(
    offered: Offered, new_identity_wait: Callable[[], float], deadline: float = math.inf, save: Save = Statement.save
) -> Accepted:
    """Accept a statement, in the calling thread; return after the commit.

    `new_identity_wait` counts a new identity and returns 0, or the seconds until there may be one. `save` comes last.

    Raises `BadStatementError`, `claimed.NotTheirsError`, `TooManyError`, or `directory.DirectoryUnavailableError` after
    the `deadline` (monotonic, in seconds).
    """
    with transaction.atomic(durable=True):
        before = lock(offered.statement.client_id)
        if before.last == offered.statement.text:
            return Accepted(before.token, is_repeated=True)
        kind = _checked(offered, before)
        _check_limits(offered, before, new_identity_wait)
        accepted = _store(offered, before, kind, save)
        if time.monotonic() > deadline:
            # The client has been told so, and may have sent another one since.
            raise directory.DirectoryUnavailableError
        return accepted


def _checked(offered: Offered, before: Before) -> Kind:
    """Return by whose right a statement may replace the one before."""
    statement = offered.statement
    proposal = Proposal(statement, offered.signatures, before.statement, is_in_effect(before.release))
    claimed.check(before.key, before.release, proposal, is_registered=offered.is_registered)
    kind = statement_rules.check(proposal)
    if not statements.fits(offered.public_key, statement):
        raise BadStatementError("The line 'key' of a statement is the SHA-256 of the publicKey that it is sent with.")
    if before.key.is_frozen:
        raise BadStatementError("Ask an operator if your key has to change: this client ID is frozen.")
    key = None if before.is_new else offered.public_key
    if (
        key is not None
        and key != before.key.public_key
        and directory.is_revoked(before.key, directory.fingerprint(key))
    ):
        raise BadStatementError("This key was revoked by an operator; publish a new one.")
    return kind


def _check_limits(offered: Offered, before: Before, new_identity_wait: Callable[[], float]) -> None:
    if before.identity is None:
        if wait := new_identity_wait():
            raise TooManyError("There are too many new identities from your address; wait before the next one.", wait)
        return
    most = settings.LIMIT_STATEMENTS_PER_DAY
    if before.identity.seq < most - 1:
        return  # there are not so many of any day
    by_recovery = offered.signatures.recovery is not None
    rows = before.identity.statements.filter(at__gt=timezone.now() - A_DAY)
    rows = rows.exclude(by_recovery="") if by_recovery else rows.filter(by_recovery="")
    times = list(rows.order_by("-seq").values_list("at", flat=True)[:most])
    if most and len(times) >= most:
        wait = (times[-1] + A_DAY - timezone.now()).total_seconds()
        raise TooManyError("There were too many statements of this client ID today; wait before the next one.", wait)


def _store(offered: Offered, before: Before, kind: Kind, save: Save) -> Accepted:
    statement, now = offered.statement, timezone.now()
    identity = before.identity or Identity(key=before.key, owned_since=now)
    has_new_owner = identity.identity != statement.identity or is_in_effect(before.release)
    if has_new_owner:
        identity.since_seq = statement.seq
    if kind is Kind.AFTER_RELEASE:
        identity.owned_since = now
    identity.identity, identity.seq = statement.identity, statement.seq
    identity.last_kind, identity.changed_at = kind, now
    identity.save()
    _settle_release(before, identity)
    change = _publish(offered.public_key, before.key)
    by = {f"by_{name}": signature or "" for name, signature in offered.signatures._asdict().items()}
    save(Statement(identity=identity, seq=statement.seq, kind=kind, at=now, text=statement.text, **by))
    return Accepted(token_of(identity.identity, identity.since_seq), has_new_owner, change=change)


def _settle_release(before: Before, identity: Identity) -> None:
    """Remove a release that this statement used, and cancel one that its owner may cancel."""
    if before.release is None:
        return
    if is_in_effect(before.release):
        before.release.delete()
    elif release.may_cancel(identity, before.release):
        release.cancel(before.key.client_id)


def _publish(public_key: str | None, key: PublicKey) -> KeyChange.Kind | None:
    """Make `public_key` the one that is looked up; None withdraws it. An operator's revocation of it stays."""
    if public_key is None:
        return directory.withdraw(key) if key.fingerprint else None
    if directory.fingerprint(public_key) == key.fingerprint:
        return None
    kind = KeyChange.Kind.CHANGED if key.fingerprint else KeyChange.Kind.PUBLISHED
    directory.replace(public_key, KeyChange(key=key, kind=kind, who=KeyChange.CLIENT))
    return kind
