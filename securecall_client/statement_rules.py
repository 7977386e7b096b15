"""The rules by which a client believes that one statement replaces another (docs/protocol.md)."""

from collections.abc import Callable
from dataclasses import dataclass

from securecall_client.ownership import NOTHING, Statement, digest, parse
from securecall_client.parts import StatementSignatures
from securecall_client.refusal import RefusedError, require
from securecall_client.signatures import is_signed_by_identity, is_signed_by_recovery, read_identity

BY_OWNER, AFTER_RELEASE = 1, 2


@dataclass(frozen=True)
class Step:
    """A statement that replaces another, None where it is the first, and by whose right (`kind`)."""

    statement: Statement
    signatures: StatementSignatures
    kind: int | None
    before: Statement | None

    @property
    def is_identity_taken(self) -> bool:
        """Return whether nobody who had the ID before agrees to another identity."""
        if self.before is None or self.before.identity == self.statement.identity:
            return False
        return self.signatures.previous is None and self.signatures.recovery is None

    @property
    def is_recovery_taken(self) -> bool:
        """Return whether another recovery key is there without the one before."""
        if self.before is None or self.before.recovery in {NOTHING, self.statement.recovery}:
            return False
        return self.signatures.recovery is None


def _is_identitys(step: Step) -> bool:
    signature = step.signatures.identity
    return signature is not None and is_signed_by_identity(step.statement.text, signature, step.statement.identity)


def _is_previous_right(step: Step) -> bool:
    signature, before = step.signatures.previous, step.before
    if signature is None:
        return True
    return before is not None and is_signed_by_identity(step.statement.text, signature, before.identity)


def _is_recovery_right(step: Step) -> bool:
    signature, before = step.signatures.recovery, step.before
    if signature is None:
        return True
    if before is None or before.recovery == NOTHING:
        return False
    return is_signed_by_recovery(step.statement.text, signature, before.recovery)


def _follows(step: Step) -> bool:
    statement, before = step.statement, step.before
    if before is None:
        return (statement.seq, statement.previous) == (0, NOTHING)
    return statement[:4] == (*before[:2], before.seq + 1, digest(before.text))


def _keeps_owner(step: Step) -> bool:
    return step.kind == AFTER_RELEASE or not (step.is_identity_taken or step.is_recovery_taken)


def _is_release_marked(step: Step) -> bool:
    if step.kind == BY_OWNER:
        return True
    is_alone = (step.signatures.previous, step.signatures.recovery) == (None, None)
    return is_alone and (step.is_identity_taken or step.is_recovery_taken)


# In this order: whether a step keeps a rule, and what to say where it does not.
RULES: tuple[tuple[Callable[[Step], bool], str], ...] = (
    (_is_identitys, "A statement is not signed by its own identity."),
    (_is_previous_right, "A statement is not signed by the identity before, and says that it is."),
    (_is_recovery_right, "A statement is not signed by the recovery key before, and says that it is."),
    (_follows, "A statement does not follow the one before."),
    (_keeps_owner, "Nobody who had the client ID before agreed to another owner."),
    (_is_release_marked, "A statement after a release is not what one has to be."),
)


def check_step(step: Step) -> None:
    """Refuse a statement that may not replace the one before; raises `RefusedError`."""
    for is_kept, sentence in RULES:
        require(is_kept(step), sentence)


def read_statement(text: str) -> Statement:
    """Read the eight lines of a statement, with an identity that is a key; raises `RefusedError` for anything else."""
    try:
        statement = parse(text)
    except ValueError as error:
        raise RefusedError(str(error)) from None
    read_identity(statement.identity)
    return statement
