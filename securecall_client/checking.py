"""Check what a server says of who owns a client ID (docs/protocol.md, "Client IDs that belong to a key").

A server could answer with a key of its own. An application keeps the last statement that it believed of each peer, its
pin: what comes later has to follow from it, signed by who may. What does not is refused, and the answers are evidence.

Signatures are checked by `cryptography`, which `pip install "securecall-client[owners]"` brings.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import NamedTuple

from securecall_client.messages import PkdResult
from securecall_client.ownership import NOTHING, Statement, digest
from securecall_client.parts import MOST_STATEMENTS, WITHHELD, ListedStatement, StatementSignatures
from securecall_client.refusal import RefusedError, require
from securecall_client.statement_rules import AFTER_RELEASE, Step, check_step, read_statement
from securecall_client.transparency.updates import Update

# Nobody makes so many: an owner has 20 a day at most, and what is pinned is not asked for again.
MOST_ANSWERS = 256
# What an answer says of a client ID that shows no statements: None is of a server without owners.
UNOWNED = frozenset({None, "unsigned", "erased"})


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
    reading = Reading(client_id, pin, directory)
    for answer in answers:
        reading.add(answer)
    return reading.checked()


class Reading:
    """The answers to lookups of one client ID, each checked as it comes: a bad one is the last that is asked for."""

    def __init__(
        self,
        client_id: str,
        pin: Statement | None = None,
        directory: str | None = None,
        most_answers: int = MOST_ANSWERS,
    ) -> None:
        self._client_id = client_id
        self._most_answers = most_answers
        self._pin = pin
        self._directory = directory if pin is None else pin.directory
        self._last = pin
        self._change = Change.FIRST if pin is None else Change.NONE
        self._answers: list[PkdResult] = []

    @property
    def after(self) -> int:
        """Return the `after` of the next lookup."""
        return -1 if self._last is None else self._last.seq

    def add(self, answer: PkdResult) -> bool:
        """Check one more answer; return whether there may be more behind it. Raises `RefusedError`."""
        self._answers.append(answer)
        with self._evidence():
            self._check_shape(answer)
            rows = answer.statements or []
            if answer.status not in UNOWNED:
                self._follow(rows, str(answer.directory))
            return len(rows) == MOST_STATEMENTS and answer.status not in UNOWNED

    def checked(self) -> Checked:
        """Return what all answers mean, once the last one has come. Raises `RefusedError`."""
        with self._evidence():
            answer = self._answers[-1]
            if answer.status == "erased":
                return Checked(None, answer.status, Change.NONE, self._pin)
            if answer.status in UNOWNED:
                is_anybodys = self._last is None and not answer.statements
                require(is_anybodys, "The server says that the client ID belongs to nobody, and it belonged to a key.")
                return Checked(answer.public_key, answer.status, Change.NONE, None)
            if self._last is None:
                raise RefusedError("The server says that the client ID belongs to a key, and shows no statement.")
            is_withheld = answer.status in WITHHELD and answer.public_key is None
            key = NOTHING if answer.public_key is None else digest(answer.public_key)
            is_named = is_withheld or self._last.key == key
            require(is_named, "The public key is not the one that the last statement names.")
            return Checked(answer.public_key, answer.status, self._change, self._last)

    @contextmanager
    def _evidence(self) -> Iterator[None]:
        try:
            yield
        except RefusedError as refused:
            refused.evidence = self._answers
            raise

    def _check_shape(self, answer: PkdResult) -> None:
        require(answer.client_id == self._client_id, "The server answered about another client ID.")
        self._directory = self._directory or self._answers[0].directory
        is_same = answer.directory == self._directory
        require(is_same, "The server answered for another directory, or for none any more.")
        is_bounded = len(answer.statements or ()) <= MOST_STATEMENTS and len(self._answers) <= self._most_answers
        require(is_bounded, "The server shows more statements of a client ID than anybody makes.")

    def _follow(self, rows: Sequence[ListedStatement], directory: str) -> None:
        """Check statements behind the last one that is believed, with which they begin if there is one."""
        if self._last is not None:
            is_known = bool(rows) and rows[0].statement == self._last.text
            require(is_known, "The server does not have the statement that is known.")
            rows = rows[1:]
        for row in rows:
            statement = read_statement(row.statement or "")
            is_this = (statement.client_id, statement.directory) == (self._client_id, directory)
            require(is_this, "A statement is about another client ID, or of another directory.")
            step = Step(statement, row.signatures or StatementSignatures(), _kind_of(row), self._last)
            check_step(step)
            self._change = _changed(self._change, step, is_pinned=self._pin is not None)
            self._last = statement


def _changed(change: Change, step: Step, *, is_pinned: bool) -> Change:
    if not is_pinned:
        return Change.FIRST
    if step.kind == AFTER_RELEASE:
        return Change.RELEASED
    is_moved = step.before is not None and step.statement.identity != step.before.identity
    return Change.MOVED if is_moved and change is Change.NONE else change


def _kind_of(row: ListedStatement) -> int | None:
    """Return whether a statement is by the owner or follows a release; where there is a log, its update says so."""
    return row.kind if row.update is None else Update.read(row.update).kind
