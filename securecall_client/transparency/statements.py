"""Statements that a client believes: their form, and the rules by which one replaces another (docs/protocol.md)."""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from securecall_client.ownership import NOTHING, Statement, digest
from securecall_client.transparency.notes import is_signed
from securecall_client.transparency.refusal import RefusedError, from_base64url, require

HEAD = "securecall-statement-v2"
NAMES = ("directory", "id", "seq", "previous", "identity", "recovery", "key")
BY_OWNER, AFTER_RELEASE = 1, 2
SEQ_END = 2**32
NUMBER = re.compile(r"0|[1-9][0-9]{0,9}")
DIRECTORY = re.compile(r"[a-z0-9.-]{1,253}")
CLIENT_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
HASH_BYTES = KEY_BYTES = 32
SIGNATURE_BYTES = 64
SPKI_BYTES = 91
SPKI_HEAD = base64.b64decode("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE")


class Signatures(NamedTuple):
    """The signatures of a statement: by its own identity, and by who had the ID before."""

    identity: str | None = None
    previous: str | None = None
    recovery: str | None = None


@dataclass(frozen=True)
class Step:
    """A statement that replaces another, None where it is the first, and by whose right (`kind`)."""

    statement: Statement
    signatures: Signatures
    kind: int
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
    key, data = from_base64url(before.recovery, KEY_BYTES), from_base64url(signature, SIGNATURE_BYTES)
    return is_signed(key, data, step.statement.text.encode())


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
    """Refuse a statement that may not replace the one before."""
    for is_kept, sentence in RULES:
        require(is_kept(step), sentence)


def read_statement(text: str) -> Statement:
    """Read the eight lines of a statement; refuses any other spelling."""
    head, *lines = text.split("\n")
    fields = [line.partition(" ") for line in lines]
    is_formed = head == HEAD and [name for name, _, _ in fields] == [*NAMES, ""]
    require(is_formed, "A statement does not have its eight lines.")
    directory, client_id, seq, *others = (value for _, _, value in fields[:-1])
    is_named = DIRECTORY.fullmatch(directory) and CLIENT_ID.fullmatch(client_id)
    require(bool(is_named and NUMBER.fullmatch(seq)) and int(seq) < SEQ_END, "A line of a statement is malformed.")
    statement = Statement(directory, client_id, int(seq), *others)
    require(statement.text == text, "A statement is written otherwise than statements are.")
    for value in (statement.previous, statement.recovery, statement.key):
        require(value == NOTHING or len(from_base64url(value)) == HASH_BYTES, "A line of a statement is malformed.")
    read_identity(statement.identity)
    return statement


def read_identity(text: str) -> EllipticCurvePublicKey:
    """Read an identity: a P-256 key as SubjectPublicKeyInfo, uncompressed, on the curve."""
    data = from_base64url(text, SPKI_BYTES)
    require(data.startswith(SPKI_HEAD), "An identity is no P-256 key.")
    try:
        key = load_der_public_key(data)
    except ValueError:
        raise RefusedError("An identity is no point of the curve.") from None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise RefusedError("An identity is no P-256 key.")
    return key


def is_signed_by_identity(text: str, signature: str, identity: str) -> bool:
    """Return whether a signature (r and s, 64 bytes) is by an identity."""
    data = from_base64url(signature, SIGNATURE_BYTES)
    r, s = int.from_bytes(data[:32], "big"), int.from_bytes(data[32:], "big")
    try:
        read_identity(identity).verify(encode_dss_signature(r, s), text.encode(), ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True
