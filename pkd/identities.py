"""Look up who a client ID belongs to, and the statements that say so (TRUST.md, "Statements")."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone

from pkd import sql
from pkd.models import Identity, Ownership, PublicKey, Release, Statement, of_keys
from pkd.statements import NOTHING, Signatures, Status, parse

# A client asks on, from the last of these, where an answer has so many.
MOST_STATEMENTS = 32
ALL = -1
STANDING = """
SELECT public_key, revoked_at IS NOT NULL, takes_effect_at, pkd_identity.id, seq, last_kind, erased_at IS NOT NULL
FROM pkd_publickey LEFT JOIN pkd_identity ON pkd_identity.key_id = pkd_publickey.id
LEFT JOIN pkd_release ON pkd_release.key_id = pkd_publickey.id
WHERE client_id = %s
"""
STATEMENTS = """
SELECT seq, kind, text, by_identity, by_previous, by_recovery FROM pkd_statement
WHERE identity_id = %s AND seq >= %s AND seq <= %s ORDER BY seq LIMIT %s
"""


class Listed(NamedTuple):
    """A statement of an answer; of an erased client ID only its kind is left."""

    kind: int
    text: str = ""
    # None for the statement from which the client asked on: it has it.
    signatures: Signatures | None = None


class Standing(NamedTuple):
    """The answer about a client ID: whether it belongs to a key, the key, and its statements."""

    public_key: str | None
    status: Status
    statements: list[Listed]
    directory: str
    released_at_ms: int | None = None


class Owned(NamedTuple):
    """A client ID that belongs to a key, whose it is, and from when on it is released, if it is."""

    client_id: str
    identity: str
    since_seq: int
    changed_at: datetime
    takes_effect_at: datetime | None = None
    is_erased: bool = False

    @property
    def token(self) -> str:
        """Return what a connection that was checked may claim with, until the ID comes to another owner."""
        return token_of(self.identity, self.since_seq)

    @property
    def is_released(self) -> bool:
        """Return whether anybody may register it now."""
        return _is_past(self.takes_effect_at)


def token_of(identity: str, since_seq: int) -> str:
    """Return what registries compare: another one, with a greater number, after each change of the owner.

    A used release is one, and so is erasing.
    """
    return f"{identity} {since_seq}"


def standing(client_id: str, after: int = ALL) -> Standing:
    """Describe a client ID, with its statements from the one with the `seq` `after` on, or all."""
    with transaction.atomic(savepoint=False):
        row = sql.row(STANDING, client_id)
        if row is None:
            return Standing(None, "unsigned", [], settings.DIRECTORY_NAME)
        public_key, is_revoked, takes_effect_at, identity_id, seq, last_kind, is_erased = row
        released_at = None if takes_effect_at is None else sql.moment(takes_effect_at)
        is_released = _is_past(released_at)
        is_owned = identity_id is not None
        status = _status(is_owned=is_owned, is_erased=is_erased, is_released=is_released, is_revoked=is_revoked)
        if status == "erased":
            listed = [Listed(last_kind)]
        else:
            listed = _statements_of(identity_id, after, seq) if is_owned else []
        return Standing(
            # A reserved client ID has an empty one.
            None if is_revoked or is_released or is_erased else public_key or None,
            status,
            listed,
            settings.DIRECTORY_NAME,
            None if released_at is None else round(released_at.timestamp() * 1000),
        )


def describe(keys: Collection[PublicKey]) -> None:
    """Set the `ownership` of each key, for operators."""
    found = ownerships({key.pk: key.is_revoked for key in keys})
    for key in keys:
        key.ownership = found.get(key.pk, Ownership())


def ownerships(revoked: Mapping[int, bool]) -> dict[int, Ownership]:
    """Return what operators are shown of owners, by the number of the key; `revoked` says of each whether it is.

    A key that is left out is unsigned.
    """
    identities = {identity.key_id: identity for identity in Identity.objects.filter(of_keys(revoked))}
    if not identities:
        return {}
    releases = {release.key_id: release for release in Release.objects.filter(of_keys(revoked))}
    last = Statement.objects.filter(identity__in=identities.values(), seq=models.F("identity__seq"))
    texts = dict(last.values_list("identity__key", "text"))
    found = {}
    for number, identity in identities.items():
        is_erased = identity.erased_at is not None
        status = _status(
            is_owned=True,
            is_erased=is_erased,
            is_released=is_in_effect(releases.get(number)),
            is_revoked=revoked.get(number, False),
        )
        if is_erased:
            found[number] = Ownership(status)
            continue
        has_code = parse(texts[number]).recovery != NOTHING
        # They are counted from 0, and none is left out.
        found[number] = Ownership(status, identity.owned_since, has_code, identity.seq + 1)
    return found


def is_in_effect(release: Release | None) -> bool:
    """Return whether a client ID is released now."""
    return release is not None and _is_past(release.takes_effect_at)


def owned(client_id: str) -> Owned | None:
    """Return who owns a client ID; None for one that belongs to no key."""
    return next(_owned(Identity.objects.filter(key__client_id=client_id)), None)


def changed_since(moment: datetime) -> list[Owned]:
    """Return the client IDs that belong to a key and whose owner, release or statements changed since `moment`."""
    return list(_owned(Identity.objects.filter(changed_at__gte=moment)))


def all_owned_ids() -> list[str]:
    """Return every client ID that belongs to a key."""
    return list(Identity.objects.values_list("key__client_id", flat=True))


def directory_of_statements() -> str:
    """Return the name of the directory that the last accepted statement is of; "" where there is none."""
    text = Statement.objects.order_by("-pk").values_list("text", flat=True).first()
    return "" if text is None else parse(text).directory


def page_after(last: int, most: int) -> tuple[int, list[tuple[str, str]]]:
    """Return client IDs and tokens, `most` at a time by primary key, and the last one's key; none at the end."""
    fields = ("pk", "key__client_id", "identity", "since_seq")
    rows = list(Identity.objects.filter(pk__gt=last).order_by("pk").values_list(*fields)[:most])
    page = [(client_id, token_of(identity, since_seq)) for _, client_id, identity, since_seq in rows]
    return rows[-1][0] if rows else last, page


def _is_past(moment: datetime | None) -> bool:
    return moment is not None and moment <= timezone.now()


def _owned(identities: models.QuerySet[Identity]) -> Iterator[Owned]:
    fields = ("key__client_id", "identity", "since_seq", "changed_at", "key__release__takes_effect_at", "erased_at")
    for row in identities.values_list(*fields).iterator():
        client_id, identity, since_seq, changed_at, takes_effect_at, erased_at = row
        yield Owned(client_id, identity, since_seq, changed_at, takes_effect_at, erased_at is not None)


def _status(*, is_owned: bool, is_erased: bool, is_released: bool, is_revoked: bool) -> Status:
    if not is_owned:
        return "unsigned"
    if is_erased:
        return "erased"
    if is_released:
        return "released"
    return "revoked" if is_revoked else "signed"


def _statements_of(identity_id: int, after: int, last: int) -> list[Listed]:
    # The seq of the row that was read: what is appended meanwhile is left to the next answer.
    rows = sql.rows(STATEMENTS, identity_id, max(after, 0), last, MOST_STATEMENTS)
    return [
        Listed(kind, text, None if seq == after else Signatures(by_identity, by_previous or None, by_recovery or None))
        for seq, kind, text, by_identity, by_previous, by_recovery in rows
    ]
