"""Check what a server says of who owns a client ID (docs/protocol.md, "Client IDs that belong to a key").

A server could answer with a key of its own. An application keeps the last statement that it believed of each peer, its
pin: what comes later has to follow from it, signed by who may. What does not is refused, and the answers are evidence.

Signatures are checked by `cryptography`, which `pip install "securecall-client[owners]"` brings.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from securecall_client.messages import PkdResult
from securecall_client.ownership import NOTHING, Statement, digest
from securecall_client.parts import WITHHELD, ListedStatement, StatementSignatures
from securecall_client.refusal import RefusedError
from securecall_client.statement_rules import AFTER_RELEASE, Step, check_step, read_statement
from securecall_client.transparency.updates import Update


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
    except RefusedError as refused:
        refused.evidence = answers
        raise


def _check(client_id: str, answers: Sequence[PkdResult], pin: Statement | None, directory: str | None) -> Checked:
    last = answers[-1]
    known = (directory if pin is None else pin.directory) or last.directory
    if any(answer.client_id != client_id for answer in answers):
        raise RefusedError("The server answered about another client ID.")
    if any(answer.directory != known for answer in answers):
        raise RefusedError("The server answered for another directory, or for none any more.")
    if last.status == "erased":
        return Checked(None, last.status, Change.NONE, pin)
    rows = _joined(answers)
    if last.status in {None, "unsigned"}:
        if pin is not None or rows:
            raise RefusedError("The server says that the client ID belongs to nobody, and it belonged to a key.")
        return Checked(last.public_key, last.status, Change.NONE, None)
    current, change = _follow(client_id, rows, pin, str(known))
    is_withheld = last.status in WITHHELD and last.public_key is None
    if not is_withheld and current.key != (NOTHING if last.public_key is None else digest(last.public_key)):
        raise RefusedError("The public key is not the one that the last statement names.")
    return Checked(last.public_key, last.status, change, current)


def _joined(answers: Sequence[PkdResult]) -> list[ListedStatement]:
    """Return the statements of all answers, each of which begins with the last one of the answer before."""
    joined: list[ListedStatement] = []
    for answer in answers:
        rows = answer.statements or []
        if joined and (not rows or rows[0].statement != joined[-1].statement):
            raise RefusedError("The server's answers do not follow each other.")
        joined += rows[1:] if joined else rows
    return joined


def _follow(
    client_id: str, rows: list[ListedStatement], pin: Statement | None, directory: str
) -> tuple[Statement, Change]:
    """Return the last statement, and what happened on the way; raises `RefusedError` for one that does not follow."""
    before, change = pin, Change.FIRST if pin is None else Change.NONE
    if pin is not None and (not rows or rows.pop(0).statement != pin.text):
        raise RefusedError("The server does not have the statement that is known.")
    for row in rows:
        statement = read_statement(row.statement or "")
        if (statement.client_id, statement.directory) != (client_id, directory):
            raise RefusedError("A statement is about another client ID, or of another directory.")
        kind = _kind_of(row)
        check_step(Step(statement, row.signatures or StatementSignatures(), kind, before))
        if kind == AFTER_RELEASE:
            change = change if pin is None else Change.RELEASED
        elif before is not None and statement.identity != before.identity and change is Change.NONE:
            change = Change.MOVED
        before = statement
    if before is None:
        raise RefusedError("The server says that the client ID belongs to a key, and shows no statement.")
    return before, change


def _kind_of(row: ListedStatement) -> int | None:
    """Return whether a statement is by the owner or follows a release; where there is a log, its update says so."""
    return row.kind if row.update is None else Update.read(row.update).kind
