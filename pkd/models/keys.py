"""The current key of each client and the append-only history of how it came to be."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from django.db import models
from django.utils import timezone

from pkd.models.append_only import AppendOnly, AppendOnlyQuerySet
from pkd.statements import Status

MAX_REASON_CHARACTERS = 500
# A client may change its key all day long; the pages that show its history must still load.
NEWEST_CHANGES_SHOWN = 500


class Ownership(NamedTuple):
    """What operators are shown of a client ID's owner; None and 0 where it belongs to no key."""

    status: Status = "unsigned"
    owned_since: datetime | None = None
    has_recovery_code: bool | None = None
    statements: int = 0


class PublicKey(models.Model):
    """A client's current key; it is opaque and stored unchanged.

    Key and fingerprint are empty for a client ID that was reserved before a key was published for it:
    one row a client ID, so that one lock decides between a client and an operator.
    """

    client_id = models.CharField("client ID", max_length=64, unique=True)
    public_key = models.TextField()
    fingerprint = models.CharField(max_length=64, db_index=True, help_text="SHA-256 of the UTF-8 key, in hex.")
    first_seen = models.DateTimeField()
    last_change = models.DateTimeField(db_index=True)
    changes = models.PositiveIntegerField(
        default=0, help_text="How often the key was replaced, revoked or restored since it was first seen."
    )
    revoked_at = models.DateTimeField("revoked", null=True, blank=True)
    frozen_at = models.DateTimeField("frozen", null=True, blank=True)

    # Not in the database: pages that show it ask the registry about all their keys at once.
    is_online: bool | None = None
    # Nor this: `identities.describe` asks for all keys of a page at once.
    ownership: Ownership

    class Meta:
        ordering = ["-last_change", "client_id"]
        # Few are, and an operator looks for them. There is one more, for beginnings of client IDs in any case, in a
        # migration of its own.
        indexes = [
            models.Index(
                fields=["-last_change"], condition=models.Q(revoked_at__isnull=False), name="pkd_revoked_keys"
            ),
            models.Index(fields=["-last_change"], condition=models.Q(frozen_at__isnull=False), name="pkd_frozen_ids"),
        ]
        # The directory is not edited by hand, so no permission pretends to allow it.
        default_permissions = ("view",)
        permissions = [
            ("revoke_publickey", "Can revoke a public key"),
            ("freeze_publickey", "Can freeze and unfreeze a client ID"),
            ("release_publickey", "Can release a client ID"),
            ("erase_publickey", "Can erase a client ID"),
            ("export_publickey", "Can export the directory"),
            ("import_publickey", "Can import keys"),
        ]

    def __str__(self) -> str:
        return self.client_id

    @property
    def is_revoked(self) -> bool:
        """Return whether an operator revoked this key; looking it up finds nothing."""
        return self.revoked_at is not None

    @property
    def is_frozen(self) -> bool:
        """Return whether an operator froze this client ID; its client can publish no other key."""
        return self.frozen_at is not None


class HistoryQuerySet(AppendOnlyQuerySet["KeyChange"]):
    """Allows reads and inserts."""


class KeyChange(AppendOnly):
    """One change of a client's key: by whom, when, from which fingerprint to which."""

    class Kind(models.TextChoices):
        """The kind of a change.

        A change that leaves the key as it is has the same fingerprint before and after.
        """

        PUBLISHED = "published"
        CHANGED = "changed"
        REVOKED = "revoked"
        LIFTED = "lifted", "Revocation lifted"
        FROZEN = "frozen"
        UNFROZEN = "unfrozen"
        IMPORTED = "imported"
        WITHDRAWN = "withdrawn"
        RELEASED = "released"
        KEPT = "kept", "Release cancelled"
        ERASED = "erased"

    # How the history names a change that no operator made.
    CLIENT = "client"

    key = models.ForeignKey(PublicKey, on_delete=models.PROTECT, related_name="history")
    at = models.DateTimeField(default=timezone.now, editable=False)
    kind = models.CharField(max_length=9, choices=Kind)
    who = models.CharField(max_length=150, help_text="“client”, or the operator's username.")
    old_fingerprint = models.CharField(max_length=64, blank=True)
    new_fingerprint = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=MAX_REASON_CHARACTERS, blank=True)

    objects = HistoryQuerySet.as_manager()

    class Meta:
        # Newest first; the clock may step back, the sequence does not.
        ordering = ["-pk"]
        # Relations and deletions go through the base manager and must meet the same guard.
        base_manager_name = "objects"
        default_permissions = ()
        verbose_name = "change"
        verbose_name_plural = f"history (newest first, at most {NEWEST_CHANGES_SHOWN} changes)"
        indexes = [models.Index(fields=["key", "kind", "old_fingerprint"], name="pkd_revoked_fingerprints")]

    def __str__(self) -> str:
        return str(self.get_kind_display())


def of_keys(numbers: Collection[int]) -> models.Q:
    """Return the condition for rows of these keys, and perhaps of some others between them.

    A thousand numbers in a query take longer to write than their rows to read.
    """
    if numbers and max(numbers) - min(numbers) < 2 * len(numbers):
        return models.Q(key_id__gte=min(numbers), key_id__lte=max(numbers))
    return models.Q(key_id__in=numbers)
