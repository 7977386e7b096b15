"""The chain of an ID's statements and updates, from the pinned one or from the first."""

from collections.abc import Sequence
from typing import NamedTuple

from securecall_client.ownership import Statement, digest
from securecall_client.parts import StatementSignatures
from securecall_client.refusal import RefusedError, require
from securecall_client.statement_rules import AFTER_RELEASE, BY_OWNER, Step, check_step, read_statement
from securecall_client.transparency.answers import Listed
from securecall_client.transparency.updates import NONE_BEFORE, Update


class Pin(NamedTuple):
    """What is kept of a peer: the last statement, the SHA-256 of its update, and the log's vkey.

    A pin from a server without a log has no update and no vkey.
    """

    statement: str
    update: bytes = b""
    vkey: str = ""


class Chain(NamedTuple):
    """A chain that is right: its last statement and update, and what happened since the pin."""

    statement: Statement
    update: Update
    is_pinned: bool
    is_moved: bool
    is_released: bool


def follow(listed: Sequence[Listed], updates: Sequence[Update], pin: Pin | None, vkey: str) -> Chain:
    """Verify that each statement and update follows from the one before; raises `RefusedError`."""
    first: Statement | None = None
    before: tuple[Statement, Update] | None = None
    for one, update in zip(listed, updates, strict=True):
        if one.statement is None or one.signatures is None:
            raise RefusedError("A statement is missing.")
        statement = read_statement(one.statement)
        require(update.statement_digest == digest(statement.text), "An update is of another statement.")
        require(update.seq == statement.seq, "An update has another seq than its statement.")
        if before is None and pin is not None:
            _check_pinned(one.signatures, statement, update, pin, vkey)
        else:
            _check_next(one.signatures, statement, update, before)
        first = first or statement
        before = statement, update
    if before is None or first is None:
        raise RefusedError("The statements of a client ID that belongs to a key are missing.")
    is_released = any(update.kind == AFTER_RELEASE for update in updates[1:])
    return Chain(*before, pin is not None, before[0].identity != first.identity, is_released)


def _check_pinned(signatures: StatementSignatures, statement: Statement, update: Update, pin: Pin, vkey: str) -> None:
    """Hold the first statement to the pinned one: the same update, or the same statement under another vkey."""
    require(statement.text == pin.statement, "The statements do not begin with the pinned one.")
    require(pin.vkey != vkey or update.hash == pin.update, "The update of the pinned statement is another one.")
    require(signatures == StatementSignatures(), "The pinned statement comes with signatures.")


def _check_next(
    signatures: StatementSignatures, statement: Statement, update: Update, before: tuple[Statement, Update] | None
) -> None:
    statement_before, update_before = before or (None, None)
    expected = (update_before.hash, update_before.accepted_at) if update_before else (NONE_BEFORE, 0)
    require(update.before == expected[0], "An update does not name the one before.")
    require(update.accepted_at >= expected[1], "An update was accepted before the one before.")
    require(before is not None or update.kind == BY_OWNER, "The first statement says that it follows a release.")
    check_step(Step(statement, signatures, update.kind, statement_before))
