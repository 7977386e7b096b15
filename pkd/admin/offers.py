"""The decisions that operators are offered, in the admin and by script: a table of permissions, names and words."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from django.conf import settings
from django.db import transaction

from pkd import directory, release
from pkd.admin.log import Operator, note
from pkd.decisions import FREEZE, LIFT, REVOKE, UNFREEZE
from pkd.models import PublicKey


class Decidable(Protocol):
    """A decision about keys: why a key is not concerned, "" if it is; and what an operator decides with a reason."""

    @property
    def obstacle(self) -> Callable[[PublicKey], str]:
        """Return what says why a key is not concerned."""

    def decide(self, key: PublicKey, operator: str, reason: str) -> None:
        """See `Decision.decide`."""


@dataclass(frozen=True)
class Act:
    """A decision about who has a client ID."""

    obstacle: Callable[[PublicKey], str]
    act: Callable[[PublicKey, str, str], object]

    def decide(self, key: PublicKey, operator: str, reason: str) -> None:
        """See `Decision.decide`."""
        self.act(key, operator, reason)


@dataclass(frozen=True)
class Offer:
    """A row of the table below: the permission, the name and the words of the act for a decision."""

    decision: Decidable
    permission: str
    name: str
    title: str
    verb: str
    done: str
    explanation: str
    # Whether the client's connection is closed.
    closes: bool = False
    # The name of an act that is offered with this one, to be carried out before it.
    companion: str = ""
    # Whether the operator may name the identity that alone gets the client ID.
    names_owner: bool = False

    def to(self, identity: str) -> "Offer":
        """Return the offer of a release, to the identity that the operator named alone."""
        return replace(self, decision=Act(self.decision.obstacle, partial(release.decide, to=identity)))

    @property
    def action(self) -> str:
        """Return the name of the admin action."""
        return f"{self.name}_selected"

    def is_allowed_to(self, operator: Operator) -> bool:
        """Return whether this operator may decide so; to see the keys is another permission."""
        return may(operator, self.permission)

    def carry_out(self, operator: Operator, key: PublicKey, reason: str) -> None:
        """Decide about a key as the operator saw it, and write that to the admin's log, both or neither.

        Raises what the decision does.
        """
        with transaction.atomic():
            self.decision.decide(key, operator.get_username(), reason)
            fingerprint = directory.grouped(key.fingerprint) or "(none yet)"
            note(operator, key, f"{self.done} the key {fingerprint}: {reason.strip()}")


def may(operator: Operator, permission: str) -> bool:
    """Return whether an operator may carry out the acts that ask for this permission."""
    return operator.has_perm(f"pkd.{permission}_publickey")


OFFERS = [
    Offer(
        REVOKE,
        "revoke",
        name="revoke",
        companion="freeze",
        title="Revoke public keys",
        verb="Revoke",
        done="Revoked",
        explanation="A revoked key is no longer given to anyone who looks it up, and its client cannot publish it "
        "again; the client has to publish a new one. Calls that are already open go on. This does not stop a thief who "
        "can register as the client: he publishes another key, and is found under it. Freeze the client ID as well, "
        "until you know who publishes.",
    ),
    Offer(
        LIFT,
        "revoke",
        name="lift",
        title="Lift the revocation of public keys",
        verb="Lift the revocation",
        done="Lifted the revocation of",
        explanation="The key is given again to everyone who looks it up, as before it was revoked. "
        "The history keeps both.",
    ),
    Offer(
        FREEZE,
        "freeze",
        name="freeze",
        title="Freeze client IDs",
        verb="Freeze",
        done="Froze",
        explanation="The client of a frozen ID can publish no other key until an operator unfreezes it; publishing "
        "the same key goes on. A frozen key can still be revoked: then nobody finds it, and none takes its place.",
    ),
    Offer(
        UNFREEZE,
        "freeze",
        name="unfreeze",
        title="Unfreeze client IDs",
        verb="Unfreeze",
        done="Unfroze",
        explanation="The client can publish another key again.",
    ),
    Offer(
        Act(release.obstacle_to_releasing, release.decide),
        "release",
        name="release",
        title="Release client IDs",
        verb="Release",
        done="Released",
        explanation="For an owner who lost everything, or who took another's name. The client is disconnected, and "
        f"comes back if it is there. {settings.RELEASE_HOURS} hours later anybody may register this ID and make it "
        f"their own; until then an owner of {settings.VETO_DAYS} days cancels the release by signing once.",
        closes=True,
        names_owner=True,
    ),
    Offer(
        Act(release.obstacle_to_erasing, release.erase),
        "erase",
        name="erase",
        title="Erase client IDs",
        verb="Erase",
        done="Erased",
        explanation="The statements and the public key are deleted, and the client ID is closed for good: nobody "
        "registers it again. This cannot be undone. The history keeps fingerprints and reasons.",
        closes=True,
    ),
]

OFFERS_BY_NAME = {offer.name: offer for offer in OFFERS}
