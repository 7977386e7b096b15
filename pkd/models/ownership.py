"""The client IDs that belong to a key, and the statements by which they came to (TRUST.md, "Statements")."""

from django.db import models
from django.utils import timezone

from pkd.models.append_only import AppendOnly, AppendOnlyQuerySet
from pkd.models.keys import PublicKey
from pkd.statement_rules import Kind
from pkd.statements import Signatures


class Identity(models.Model):
    """A client ID's owner as its last statement says, so that one row answers who it is.

    The row of its key is locked before this one: one lock decides between clients and operators.
    """

    key = models.OneToOneField(PublicKey, on_delete=models.PROTECT, related_name="identity")
    identity = models.CharField(max_length=128)
    seq = models.PositiveBigIntegerField()
    # The seq of the statement by which the ID came to this owner: what was checked before that is worth nothing.
    since_seq = models.PositiveBigIntegerField(default=0)
    # The kind of the last statement, which outlives its text.
    last_kind = models.PositiveSmallIntegerField()
    # Since the first statement, or the first one after a release: moving to another device changes no owner.
    owned_since = models.DateTimeField("belongs to a key since")
    changed_at = models.DateTimeField(
        db_index=True, help_text="When a statement, a release or erasing changed it last."
    )
    erased_at = models.DateTimeField("erased", null=True, blank=True)

    class Meta:
        default_permissions = ()
        verbose_name_plural = "identities"

    def __str__(self) -> str:
        return str(self.key)


class Release(models.Model):
    """An operator's decision to release a client ID, until its owner cancels it or a new one has come."""

    key = models.OneToOneField(PublicKey, on_delete=models.PROTECT, related_name="release")
    decided_at = models.DateTimeField()
    takes_effect_at = models.DateTimeField(db_index=True)
    # The only identity that may have the ID next; anybody may where it is empty.
    to = models.CharField(max_length=128, blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.key)


class StatementQuerySet(AppendOnlyQuerySet["Statement"]):
    """Allows one more thing: the statements of an erased client ID are deleted."""

    def erase(self) -> None:
        """Delete the statements; the database refuses it for any client ID that is not erased."""
        super(AppendOnlyQuerySet, self).delete()


class Statement(AppendOnly):
    """A statement that was accepted, with its signatures; the database itself lets nobody change or delete it."""

    identity = models.ForeignKey(Identity, on_delete=models.PROTECT, related_name="statements")
    seq = models.PositiveBigIntegerField()
    kind = models.PositiveSmallIntegerField(choices=[(kind.value, kind.name) for kind in Kind])
    at = models.DateTimeField(default=timezone.now, editable=False)
    text = models.TextField()
    by_identity = models.CharField(max_length=86)
    by_previous = models.CharField(max_length=86, blank=True)
    by_recovery = models.CharField(max_length=86, blank=True)

    objects = StatementQuerySet.as_manager()

    class Meta:
        ordering = ["seq"]
        base_manager_name = "objects"
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["identity", "seq"], name="pkd_statement_order")]

    def __str__(self) -> str:
        return f"{self.identity} {self.seq}"

    @property
    def signatures(self) -> Signatures:
        """Return the signatures as they came."""
        return Signatures(self.by_identity, self.by_previous or None, self.by_recovery or None)
