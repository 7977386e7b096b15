"""The bans that operators decided; each stays, with who lifted it, if somebody did."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from pkd.models import MAX_REASON_CHARACTERS

MAX_NETWORK_CHARACTERS = len("ffff:ffff:ffff:ffff::/64")


def in_force() -> Q:
    """Return the condition under which a ban counts now: it was not lifted and has not ended."""
    return Q(lifted_at=None, ends_at__gt=timezone.now())


class Ban(models.Model):
    """A ban of a client ID or of a network, for a time; the other one of the two is empty."""

    client_id = models.CharField("client ID", max_length=64, blank=True, db_index=True)
    network = models.CharField(max_length=MAX_NETWORK_CHARACTERS, blank=True, db_index=True)
    begins_at = models.DateTimeField("banned", default=timezone.now, editable=False)
    ends_at = models.DateTimeField("until", db_index=True)
    who = models.CharField("by", max_length=150)
    reason = models.CharField(max_length=MAX_REASON_CHARACTERS)
    lifted_at = models.DateTimeField("lifted", null=True, blank=True)
    lifted_by = models.CharField(max_length=150, blank=True)
    # For the processes, which read what changed since they looked last.
    changed_at = models.DateTimeField(default=timezone.now, db_index=True, editable=False)

    class Meta:
        ordering = ["-pk"]
        default_permissions = ("view",)
        permissions = [("decide_ban", "Can ban, and lift bans")]
        constraints = [
            models.CheckConstraint(condition=Q(client_id="") ^ Q(network=""), name="bans_client_id_or_network"),
        ]

    def __str__(self) -> str:
        # The log of the admin holds this, and no address.
        return self.client_id or f"network {self.pk}"

    @property
    def is_in_force(self) -> bool:
        """Return whether it counts now, as `in_force` says of all."""
        return self.lifted_at is None and self.ends_at > timezone.now()
