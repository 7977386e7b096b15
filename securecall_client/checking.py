"""Check what a server says of who owns a client ID (docs/protocol.md, "Client IDs that belong to a key").

A server could answer with a key of its own. An application keeps the last statement that it believed of each peer, its
pin: what comes later has to follow from it, signed by who may. What does not is refused, and the answers are evidence.

Signatures are checked by `cryptography`, which `pip install "securecall-client[owners]"` brings.
"""

from base64 import urlsafe_b64decode
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from securecall_client.errors import SecureCallError
from securecall_client.messages import PkdResult
from securecall_client.ownership import NOTHING, Statement, digest, parse
from securecall_client.parts import ListedStatement, StatementSignatures
from securecall_client.signatures import is_signed_by_identity, is_signed_by_recovery

# There may be more statements behind an answer with so many.
MOST_STATEMENTS = 32
AFTER_RELEASE = 2
# In these nothing is published, whatever the last statement says.
WITHHELD = ("revoked", "released", "erased")


class RefusedError(SecureCallError):
    """A server's answer does not follow from what is known; `evidence` is all that it said, to be kept."""

    def __init__(self, sentence: str, evidence: Sequence[PkdResult]) -> None:
        super().__init__(sentence)
        self.evidence = list(evidence)


class Change(StrEnum):
    """What happened to a peer's identity since the pin."""

    # There was no pin: this is the first time.
    FIRST = "first"
    NONE = "none"
    # The identity before, or the recovery code, signed for another one: say so once, and forget that it was verified.
    MOVED = "moved"
    # An operator gave the name to a new owner, who may be another person: ask before you keep the pin.
    RELEASED = "released"


class Checked(NamedTuple):
    """What is known of a peer now: keep `pin` if there is one, after a release only if a person agreed."""

    public_key: str | None
    # "signed", "unsigned" (the server could lie), "revoked", "released" or "erased"; None of a server without owners.
    status: str | None
    change: Change
    pin: Statement | None


def check(
    client_id: str, answers: Sequence[PkdResult], pin: Statement | None = None, directory: str | None = None
) -> Checked:
    """Check the answers to lookups of a client ID, which follow each other, against the last believed statement.

    `directory` is the name that this server's answers bore before. Raises `RefusedError`.
    """
    try:
        return _check(client_id, answers, pin, directory)
    except ValueError as error:
        raise RefusedError(str(error), answers) from None


def _check(client_id: str, answers: Sequence[PkdResult], pin: Statement | None, directory: str | None) -> Checked:
    last = answers[-1]
    known = (directory if pin is None else pin.directory) or last.directory
    if any(answer.client_id != client_id for answer in answers):
        raise ValueError("The server answered about another client ID.")
    if any(answer.directory != known for answer in answers):
        raise ValueError("The server answered for another directory, or for none any more.")
    if last.status == "erased":
        return Checked(None, last.status, Change.NONE, pin)
    rows = _joined(answers)
    if last.status in {None, "unsigned"}:
        if pin is not None or rows:
            raise ValueError("The server says that the client ID belongs to nobody, and it belonged to a key.")
        return Checked(last.public_key, last.status, Change.NONE, None)
    current, change = _follow(client_id, rows, pin, str(known))
    is_withheld = last.status in WITHHELD and last.public_key is None
    if not is_withheld and current.key != (NOTHING if last.public_key is None else digest(last.public_key)):
        raise ValueError("The public key is not the one that the last statement names.")
    return Checked(last.public_key, last.status, change, current)


def _joined(answers: Sequence[PkdResult]) -> list[ListedStatement]:
    """Return the statements of all answers, each of which begins with the last one of the answer before."""
    joined: list[ListedStatement] = []
    for answer in answers:
        rows = answer.statements or []
        if joined and (not rows or rows[0].statement != joined[-1].statement):
            raise ValueError("The server's answers do not follow each other.")
        joined += rows[1:] if joined else rows
    return joined


def _follow(
    client_id: str, rows: list[ListedStatement], pin: Statement | None, directory: str
) -> tuple[Statement, Change]:
    """Return the last statement, and what happened on the way; raises `ValueError` for one that does not follow."""
    before, change = pin, Change.FIRST if pin is None else Change.NONE
    if pin is not None and (not rows or rows.pop(0).statement != pin.text):
        raise ValueError("The server does not have the statement that is known.")
    for row in rows:
        statement = parse(row.statement or "")
        if (statement.client_id, statement.directory) != (client_id, directory):
            raise ValueError("A statement is about another client ID, or of another directory.")
        is_moved = before is not None and statement.identity != before.identity
        if _is_new_owner(before, statement, row.signatures or StatementSignatures(), _kind_of(row)):
            change = change if pin is None else Change.RELEASED
        elif is_moved and change is Change.NONE:
            change = Change.MOVED
        before = statement
    if before is None:
        raise ValueError("The server says that the client ID belongs to a key, and shows no statement.")
    return before, change


def _kind_of(row: ListedStatement) -> int | None:
    """Return whether a statement is by the owner or follows a release; where there is a log, its update says so."""
    return row.kind if row.update is None else urlsafe_b64decode(row.update + "==")[1]


def _is_new_owner(
    before: Statement | None, statement: Statement, signatures: StatementSignatures, kind: int | None
) -> bool:
    """Check the rules for a statement, and return whether it follows a release alone."""
    expected = (0, NOTHING) if before is None else (before.seq + 1, digest(before.text))
    if (statement.seq, statement.previous) != expected:
        raise ValueError("A statement does not follow the one before.")
    text = statement.text
    if not is_signed_by_identity(text, signatures.identity, statement.identity):
        raise ValueError("A statement is not signed by its own identity.")
    others = (signatures.previous, signatures.recovery)
    if before is None or kind == AFTER_RELEASE:
        if others != (None, None) or (before is None and kind == AFTER_RELEASE):
            raise ValueError("A statement has a signature that it cannot have.")
        return before is not None
    if signatures.previous is not None and not is_signed_by_identity(text, signatures.previous, before.identity):
        raise ValueError("The identity before did not sign as it seems.")
    if signatures.recovery is not None and not is_signed_by_recovery(text, signatures.recovery, before.recovery):
        raise ValueError("The recovery key before did not sign as it seems.")
    if statement.identity != before.identity and others == (None, None):
        raise ValueError("Neither the identity before nor the recovery key signed for another identity.")
    if before.recovery not in {NOTHING, statement.recovery} and signatures.recovery is None:
        raise ValueError("The recovery key did not sign for another one.")
    return False
