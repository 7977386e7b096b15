"""One client of the directory as a record: the line of a file that an export writes and an import reads."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

import msgspec
from django.utils import timezone
from msgspec import Meta, Struct

from pkd import keys, models
from pkd.models import MAX_REASON_CHARACTERS, KeyChange
from pkd.statements import Status

Moment = Annotated[datetime, Meta(tz=True)]
Fingerprint = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
# Postgres stores no NUL in a text.
Who = Annotated[str, Meta(min_length=1, max_length=150, pattern=r"^[^\x00]*\Z")]
Reason = Annotated[str, Meta(max_length=MAX_REASON_CHARACTERS, pattern=r"^[^\x00]*\Z")]
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]

COUNTED = {KeyChange.Kind.CHANGED, KeyChange.Kind.REVOKED, KeyChange.Kind.LIFTED}


class ChangeRecord(Struct, rename="camel", forbid_unknown_fields=True):
    """A change in a client's history."""

    at: Moment
    kind: KeyChange.Kind
    who: Who
    old_fingerprint: Fingerprint | None = None
    new_fingerprint: Fingerprint | None = None
    reason: Reason = ""

    def to_row(self, key: models.PublicKey) -> KeyChange:
        """Make the unsaved row of `key`'s history."""
        return KeyChange(
            key=key,
            at=self.at,
            kind=self.kind,
            who=self.who,
            old_fingerprint=self.old_fingerprint or "",
            new_fingerprint=self.new_fingerprint or "",
            reason=self.reason,
        )


class KeyRecord(Struct, rename="camel", forbid_unknown_fields=True):
    """A client: its key, None where the ID is only reserved, and the history, oldest change first.

    An import of a client that is new here needs the client ID and the key alone. To whom the ID belongs is written for
    people to read, and nothing follows from it: no file makes an owner.
    """

    client_id: keys.ClientId
    public_key: keys.PublicKey | None = None
    fingerprint: Fingerprint | None = None
    first_seen: Moment | None = None
    last_change: Moment | None = None
    changes: Count | None = None
    revoked_at: Moment | None = None
    frozen_at: Moment | None = None
    status: Status | None = None
    owned_since: Moment | None = None
    recovery_code: bool | None = None
    statements: Count | None = None
    history: list[ChangeRecord] = []

    def to_row(self) -> models.PublicKey:
        """Make the unsaved row of the directory; what the record does not give is derived from what it gives."""
        first_seen = self.first_seen or self.last_change or timezone.now()
        changes = sum(change.kind in COUNTED for change in self.history) if self.changes is None else self.changes
        return models.PublicKey(
            client_id=self.client_id,
            public_key=self.public_key or "",
            fingerprint=self.fingerprint or "",
            first_seen=first_seen,
            last_change=self.last_change or first_seen,
            changes=changes,
            revoked_at=self.revoked_at,
            frozen_at=self.frozen_at,
        )


FIELDS = KeyRecord.__struct_encode_fields__
ENCODER = msgspec.json.Encoder()


def to_json_lines(records: Iterable[KeyRecord]) -> bytes:
    r"""Write each record as a line of JSON; its only LF is the last byte, as JSON writes a key's own as `\n`."""
    return ENCODER.encode_lines(records)


@dataclass
class Outcome:
    """The state of a key after the changes of its history."""

    fingerprint: str = ""
    is_frozen: bool = False
    revoked: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, history: Iterable[ChangeRecord]) -> "Outcome":
        """Apply the changes, oldest first."""
        outcome = cls()
        for change in history:
            outcome.apply(change)
        return outcome

    def apply(self, change: ChangeRecord) -> None:
        """Apply one change."""
        kinds = KeyChange.Kind
        if change.kind in {kinds.PUBLISHED, kinds.CHANGED, kinds.IMPORTED}:
            self.fingerprint = change.new_fingerprint or ""
        elif change.kind == kinds.REVOKED:
            self.revoked.add(change.old_fingerprint or "")
        elif change.kind == kinds.LIFTED:
            self.revoked.discard(change.new_fingerprint or "")
        elif change.kind in {kinds.WITHDRAWN, kinds.ERASED}:
            self.fingerprint = ""
        elif change.kind in {kinds.FROZEN, kinds.UNFROZEN}:
            self.is_frozen = change.kind == kinds.FROZEN
