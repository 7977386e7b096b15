"""Owners of client IDs: their keys, and the statements that they sign."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pkd import keys
from pkd.statements import NOTHING, Signatures, Statement

DIRECTORY = "calls.example.org"


@dataclass(frozen=True)
class Identity:
    """A P-256 key, made from a name."""

    name: str
    private: ec.EllipticCurvePrivateKey = field(init=False)

    def __post_init__(self) -> None:
        scalar = int.from_bytes(hashlib.sha256(self.name.encode()).digest(), "big") % 2**255
        object.__setattr__(self, "private", ec.derive_private_key(scalar, ec.SECP256R1()))

    @property
    def public(self) -> str:
        info = self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return keys.base64url(info)

    def sign(self, text: str) -> str:
        r, s = decode_dss_signature(self.private.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return keys.base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


@dataclass(frozen=True)
class Recovery:
    """An Ed25519 key, made from a name."""

    name: str

    @property
    def private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(self.name.encode()).digest())

    @property
    def public(self) -> str:
        return keys.base64url(self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def sign(self, text: str) -> str:
        return keys.base64url(self.private.sign(text.encode()))


def first(identity: Identity, recovery: str = NOTHING, client_id: str = "alice", **fields: Any) -> Statement:
    """Make a client ID's first statement, which names the identity as its key."""
    key = keys.digest(identity.public)
    return Statement(DIRECTORY, client_id, 0, NOTHING, identity.public, recovery, key)._replace(**fields)


def following(before: Statement, **fields: Any) -> Statement:
    """Make the statement after `before`, which changes `fields`."""
    return before._replace(seq=before.seq + 1, previous=before.digest)._replace(**fields)


def signed(
    statement: Statement, identity: Identity, previous: Identity | None = None, recovery: Recovery | None = None
) -> Signatures:
    text = statement.text
    return Signatures(
        identity.sign(text),
        None if previous is None else previous.sign(text),
        None if recovery is None else recovery.sign(text),
    )
