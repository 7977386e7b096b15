"""The decisions that operators are offered as admin actions: a table of permissions, names and words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from django.conf import settings

from pkd import release
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
    """A row of the table below: the permission, the name and the words of the action for a decision."""

    decision: Decidable
    permission: str
    name: str
    title: str
    verb: str
    done: str
    explanation: str
    # Whether the client's connection is closed.
    closes: bool = False


OFFERS = [
    Offer(
        REVOKE,
        "revoke",
        name="revoke_selected",
        title="Revoke public keys",
        verb="Revoke",
        done="Revoked",
        explanation="A revoked key is no longer given to anyone who looks it up, and its client cannot publish it "
        "again; the client has to publish a new one. Calls that are already open go on.",
    ),
    Offer(
        LIFT,
        "revoke",
        name="lift_selected",
        title="Lift the revocation of public keys",
        verb="Lift the revocation",
        done="Lifted the revocation of",
        explanation="The key is given again to everyone who looks it up, as before it was revoked. "
        "The history keeps both.",
    ),
    Offer(
        FREEZE,
        "freeze",
        name="freeze_selected",
        title="Freeze client IDs",
        verb="Freeze",
        done="Froze",
        explanation="The client of a frozen ID can publish no other key until an operator unfreezes it; publishing "
        "the same key goes on. A frozen key can still be revoked: then nobody finds it, and none takes its place.",
    ),
    Offer(
        UNFREEZE,
        "freeze",
        name="unfreeze_selected",
        title="Unfreeze client IDs",
        verb="Unfreeze",
        done="Unfroze",
        explanation="The client can publish another key again.",
    ),
    Offer(
        Act(release.obstacle_to_releasing, release.decide),
        "release",
        name="release_selected",
        title="Release client IDs",
        verb="Release",
        done="Released",
        explanation="For an owner who lost everything, or who took another's name. The client is disconnected, and "
        f"comes back if it is there. {settings.RELEASE_HOURS} hours later anybody may register this ID and make it "
        f"their own; until then an owner of {settings.VETO_DAYS} days cancels the release by signing once.",
        closes=True,
    ),
    Offer(
        Act(release.obstacle_to_erasing, release.erase),
        "erase",
        name="erase_selected",
        title="Erase client IDs",
        verb="Erase",
        done="Erased",
        explanation="The statements and the public key are deleted, and the client ID is closed for good: nobody "
        "registers it again. This cannot be undone. The history keeps fingerprints and reasons.",
        closes=True,
    ),
]
