"""The rules by which one statement replaces another (TRUST.md, "Statements", 1 to 5).

`check` goes through the rows of `RULES` in order; the first one that is broken is the one that the refusal names.
Pure: no Django, clock or I/O.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from pkd import keys
from pkd.statements import NOTHING, BadStatementError, Signatures, Statement


class Kind(IntEnum):
    """By whose right a statement came: the owner's, or anybody's after a release."""

    BY_OWNER = 1
    AFTER_RELEASE = 2


@dataclass(frozen=True)
class Proposal:
    """A statement with its signatures, the statement that it would replace, and whether a release is in effect."""

    statement: Statement
    signatures: Signatures
    before: Statement | None = None
    is_released: bool = False

    @property
    def keeps_its_owner(self) -> bool:
        """Return whether rules 3 and 4 are kept: whoever had the ID before agrees to what changes."""
        return not (_is_identity_taken(self) or _is_recovery_taken(self))


def _is_not_by_its_identity(proposal: Proposal) -> bool:
    statement = proposal.statement
    return not keys.is_signed_by_identity(statement.text, proposal.signatures.identity, statement.identity)


def _is_previous_wrong(proposal: Proposal) -> bool:
    signature, before = proposal.signatures.previous, proposal.before
    if signature is None:
        return False
    return before is None or not keys.is_signed_by_identity(proposal.statement.text, signature, before.identity)


def _is_recovery_wrong(proposal: Proposal) -> bool:
    signature, before = proposal.signatures.recovery, proposal.before
    if signature is None:
        return False
    return before is None or not keys.is_signed_by_recovery(proposal.statement.text, signature, before.recovery)


def _is_no_first(proposal: Proposal) -> bool:
    return proposal.before is None and (proposal.statement.seq, proposal.statement.previous) != (0, NOTHING)


def _skips(proposal: Proposal) -> bool:
    return proposal.before is not None and proposal.statement.seq != proposal.before.seq + 1


def _forks(proposal: Proposal) -> bool:
    return proposal.before is not None and proposal.statement.previous != proposal.before.digest


def _is_anothers(proposal: Proposal) -> bool:
    return proposal.before is not None and proposal.statement[:2] != proposal.before[:2]


def _is_identity_taken(proposal: Proposal) -> bool:
    before, signatures = proposal.before, proposal.signatures
    if before is None or proposal.statement.identity == before.identity:
        return False
    return signatures.previous is None and signatures.recovery is None


def _is_recovery_taken(proposal: Proposal) -> bool:
    before = proposal.before
    if before is None or before.recovery in {NOTHING, proposal.statement.recovery}:
        return False
    return proposal.signatures.recovery is None


def _is_signed_after_release(proposal: Proposal) -> bool:
    _, previous, recovery = proposal.signatures
    return proposal.is_released and not proposal.keeps_its_owner and (previous, recovery) != (None, None)


class Rule(NamedTuple):
    """A rule of TRUST.md: its number, whether a statement breaks it, and what to say then."""

    number: int
    is_broken_by: Callable[[Proposal], bool]
    sentence: str


RULES: tuple[Rule, ...] = (
    Rule(1, _is_not_by_its_identity, "signatures.identity has to be by the statement's own identity, over its text."),
    Rule(1, _is_previous_wrong, "signatures.previous has to be by the identity before, or be left out."),
    Rule(1, _is_recovery_wrong, "signatures.recovery has to be by the recovery key before, or be left out."),
    Rule(2, _is_no_first, "The first statement of a client ID has seq 0 and previous -."),
    Rule(2, _skips, "A statement has the seq of the one before, plus 1; look the last one up."),
    Rule(2, _forks, "A statement names the SHA-256 of the one before as previous; look the last one up."),
    Rule(2, _is_anothers, "A statement has the directory and the id of the one before."),
    Rule(
        3,
        lambda proposal: not proposal.is_released and _is_identity_taken(proposal),
        "Another identity needs signatures.previous by the one before, or signatures.recovery.",
    ),
    Rule(
        4,
        lambda proposal: not proposal.is_released and _is_recovery_taken(proposal),
        "Another recovery key needs signatures.recovery by the one before.",
    ),
    Rule(5, _is_signed_after_release, "After a release a new owner signs with the new identity alone."),
)


def broken_rule(proposal: Proposal, rules: Sequence[Rule] = RULES) -> Rule | None:
    """Return the first rule that a statement breaks; None for one that may replace the one before."""
    return next((rule for rule in rules if rule.is_broken_by(proposal)), None)


def check(proposal: Proposal) -> Kind:
    """Return by whose right a statement may replace the one before; raises `BadStatementError` naming a broken rule."""
    if rule := broken_rule(proposal):
        raise BadStatementError(rule.sentence)
    return Kind.BY_OWNER if proposal.keeps_its_owner else Kind.AFTER_RELEASE
