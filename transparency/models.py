"""The tables of the log: what was appended, the prefix tree as it is now, and the indexes of client IDs."""

from django.db import models
from django.utils import timezone

from pkd.models.append_only import AppendOnly, AppendOnlyQuerySet


class LogQuerySet(AppendOnlyQuerySet["Log"]):
    """Allows reads and inserts."""


class Log(AppendOnly):
    """A log, which its vkey fixes; who appends to it locks this row, so that its entries have one order."""

    vkey = models.CharField(max_length=400, unique=True)
    begun_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = LogQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        default_permissions = ()

    def __str__(self) -> str:
        return self.vkey


class EntryQuerySet(AppendOnlyQuerySet["Entry"]):
    """Allows reads and inserts."""


class Entry(AppendOnly):
    """The entry of an accepted statement; the database itself lets nobody change or delete it.

    `hashes` are those of the nodes that it completed in the Merkle tree, itself first. So every complete node is found
    by the number of its last leaf.
    """

    log = models.ForeignKey(Log, on_delete=models.PROTECT, related_name="entries")
    number = models.PositiveBigIntegerField()
    # What the update in `data` says as well, to look it up by.
    index = models.BinaryField(max_length=32)
    seq = models.PositiveBigIntegerField()
    data = models.BinaryField(max_length=142)
    hashes = models.BinaryField()

    objects = EntryQuerySet.as_manager()

    class Meta:
        ordering = ["number"]
        base_manager_name = "objects"
        default_permissions = ()
        verbose_name_plural = "entries"
        constraints = [
            models.UniqueConstraint(fields=["log", "number"], name="transparency_entry_order"),
            models.UniqueConstraint(fields=["log", "index", "seq"], name="transparency_entry_of_statement"),
        ]

    def __str__(self) -> str:
        return str(self.number)


class Piece(models.Model):
    """A piece of the prefix tree as it is now: only the latest root is proved."""

    log = models.ForeignKey(Log, on_delete=models.PROTECT, related_name="pieces")
    # The hexadecimal digits with which the indexes below begin; none for the top.
    name = models.CharField(max_length=64, blank=True)
    content = models.BinaryField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["log", "name"], name="transparency_piece_name")]

    def __str__(self) -> str:
        return self.name
