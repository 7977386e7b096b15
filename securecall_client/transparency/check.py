"""The check of an answer to a look-up (docs/protocol.md, "The public log").

How it works
------------
Look up with `after` (the `seq` of the pinned statement, or -1) and `size` (of the kept tree). Where `after_next` gives
a number 32 statements came: look up again with it as `after`, and check all answers together. `check` goes through
four steps, the first of which that fails refuses the answers:

1. each answer: the client ID, and the checkpoint: whose, when, and that its tree extends the kept one;
2. each answer: the last entry of the tree, and the client ID's index; what the prefix tree under it has for the index;
3. each statement and its update, from the pinned one or from the first;
4. the public key, or why there is none.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from securecall_client.ownership import NOTHING, digest
from securecall_client.parts import MOST_STATEMENTS, WITHHELD
from securecall_client.refusal import RefusedError, from_base64url, hashes, require
from securecall_client.statement_rules import read_statement
from securecall_client.transparency import answers as shapes
from securecall_client.transparency import notes, vrf
from securecall_client.transparency.answers import Answer, Listed
from securecall_client.transparency.chain import Chain, Pin, follow
from securecall_client.transparency.notes import Checkpoint, LogKey
from securecall_client.transparency.proofs import (
    EMPTY,
    EMPTY_ROOT,
    HASH_BYTES,
    check_consistent,
    check_last,
    check_prefix,
)
from securecall_client.transparency.updates import ENTRY_BYTES, Update

MOST_SECONDS_AWAY = 3600


class Log(NamedTuple):
    """What is kept of a log: its vkey, and the size and root of the largest tree that it showed."""

    vkey: str
    size: int = 0
    root: bytes = EMPTY_ROOT


class Outcome(Enum):
    """What right answers mean for the application."""

    FIRST_TIME = "the identity is pinned for the first time"
    UNCHANGED = "the identity is the pinned one"
    MOVED = "another identity, by the old one or the recovery key: say so once"
    ANOTHER_OWNER = "ask: an operator gave this name to a new owner, it may be another person"
    UNSIGNED = "the name belongs to no key: the server could lie"
    WITHHELD = "revoked, released or erased: there is no key to call with"


class Checked(NamedTuple):
    """Answers that are right: what to keep, and what to say.

    Keep `log`. Keep `pin` as well; where `outcome` is to ask, only after a yes.
    """

    outcome: Outcome
    log: Log
    pin: Pin | None
    status: str
    public_key: str | None
    released_at: int | None


class Known(NamedTuple):
    """What answers are held against in the end."""

    client_id: str
    log: Log
    pin: Pin | None


class Evidence(NamedTuple):
    """What was refused: the answers, what they were held against, and when."""

    answers: Sequence[Mapping[str, Any]]
    client_id: str
    log: Log
    pin: Pin | None
    now: float


def after_next(payload: Mapping[str, Any]) -> int | None:
    """Return the `after` to look up with once more, None if an answer is the last one."""
    listed = shapes.read(payload).statements
    if len(listed) < MOST_STATEMENTS:
        return None
    return read_statement(listed[-1].statement or "").seq


def check(payloads: Sequence[Mapping[str, Any]], client_id: str, log: Log, pin: Pin | None, now: float) -> Checked:
    """Verify all answers to a look-up of a client ID; `now` in unix seconds. Raises `RefusedError` with evidence."""
    try:
        return _check([shapes.read(payload) for payload in payloads], client_id, log, pin, now)
    except RefusedError as refused:
        refused.evidence = Evidence(payloads, client_id, log, pin, now)
        raise


def _check(answers: Sequence[Answer], client_id: str, log: Log, pin: Pin | None, now: float) -> Checked:
    key = notes.read_vkey(log.vkey)
    kept = log
    for answer in answers:
        require(answer.client_id == client_id, "The answer is about another client ID.")
        require(answer.directory == key.directory, "The answer is of another directory.")
        checkpoint = _checkpoint(answer, key, log, now)
        kept = max(kept, Log(log.vkey, checkpoint.size, checkpoint.root), key=lambda one: one.size)
        prefix_root = _prefix_root(answer, checkpoint)
        output = vrf.verify(key.vrf, client_id.encode(), from_base64url(answer.proof.vrf_proof, vrf.PROOF_BYTES))
    index, last, listed = output[:HASH_BYTES], answers[-1], _joined(answers)
    updates = [Update.read(one.update) for one in listed]
    met = last.proof.non_inclusion_leaf
    leaf = None if met is None else from_base64url(met, 2 * HASH_BYTES)
    value = updates[-1].hash if updates else None
    check_prefix(prefix_root, index, value, hashes(last.proof.siblings), leaf)
    require(all(update.search_key == index for update in updates), "An update is of another index.")
    return _concluded(last, listed, updates, Known(client_id, kept, pin))


def _checkpoint(answer: Answer, key: LogKey, log: Log, now: float) -> Checkpoint:
    """Verify the checkpoint of an answer, and that its tree extends the kept one."""
    checkpoint = notes.read_checkpoint(answer.proof.checkpoint, key)
    is_now = abs(now - checkpoint.signed_at) <= MOST_SECONDS_AWAY
    require(is_now, "The checkpoint is of another hour than this clock's.")
    require(checkpoint.size >= log.size, "The log shrank.")
    path = hashes(answer.proof.consistency)
    check_consistent((log.size, log.root), (checkpoint.size, checkpoint.root), path)
    return checkpoint


def _prefix_root(answer: Answer, checkpoint: Checkpoint) -> bytes:
    """Verify the last entry of the tree; returns the root of the prefix tree after it."""
    path = hashes(answer.proof.inclusion)
    if checkpoint.size == 0:
        is_empty = (checkpoint.root, answer.proof.entry, path) == (EMPTY_ROOT, "", [])
        require(is_empty, "The log is empty, and shows an entry.")
        return EMPTY
    entry = from_base64url(answer.proof.entry, ENTRY_BYTES)
    check_last(entry, checkpoint.size, checkpoint.root, path)
    return entry[-HASH_BYTES:]


def _joined(answers: Sequence[Answer]) -> list[Listed]:
    """Put the statements of all answers together: each begins with the last one of the answer before."""
    listed: list[Listed] = []
    for number, answer in enumerate(answers, 1):
        is_full = len(answer.statements) == MOST_STATEMENTS
        is_last = number == len(answers)
        require(
            is_full != is_last and len(answer.statements) <= MOST_STATEMENTS, "Statements are missing, or too many."
        )
        if listed:
            again = answer.statements[:1]
            is_again = [(one.statement, one.update) for one in again] == [(listed[-1].statement, listed[-1].update)]
            require(is_again, "The statements do not go on where the answer before ended.")
        listed += answer.statements[1:] if listed else answer.statements
    return listed


def _concluded(last: Answer, listed: Sequence[Listed], updates: Sequence[Update], known: Known) -> Checked:
    """Verify the statements and the public key; returns what they mean."""
    client_id, log, pin = known
    checked = Checked(Outcome.WITHHELD, log, pin, last.status, last.public_key, last.released_at)
    if last.status == "unsigned":
        require(not listed and pin is None, "An identity that was there is gone.")
        return checked._replace(outcome=Outcome.UNSIGNED)
    if last.status == "erased":
        # One that was erased before there was a log has no update in it.
        is_there = len(updates) == 1 or (not updates and (pin is None or pin.vkey != log.vkey))
        require(is_there and last.public_key is None, "An erased client ID has its last update, and nothing else.")
        return checked
    chain = follow(listed, updates, pin, log.vkey)
    named = chain.statement
    is_named = (named.directory, named.client_id) == (last.directory, client_id)
    require(is_named, "A statement is of another client ID or directory.")
    if last.status in WITHHELD:
        require(last.public_key is None, "A withheld client ID has a public key.")
        return checked
    key = NOTHING if last.public_key is None else digest(last.public_key)
    require(key == named.key, "The public key is not the one that the last statement names.")
    return checked._replace(outcome=_outcome(chain), pin=Pin(named.text, chain.update.hash, log.vkey))


def _outcome(chain: Chain) -> Outcome:
    if not chain.is_pinned:
        return Outcome.FIRST_TIME
    if chain.is_released:
        return Outcome.ANOTHER_OWNER
    return Outcome.MOVED if chain.is_moved else Outcome.UNCHANGED
