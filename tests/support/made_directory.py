"""A directory with a public log, made here: it answers look-ups as TRUST.md says, and lies when it is told to."""

import base64
import hashlib
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from securecall_client.ownership import NOTHING, Statement, first_statement
from tests.support.made_log import BEGINNING, DIRECTORY, VECTORS, MadeLog, merkle_root, sha256
from tests.support.proofs import consistency_proof, inclusion_proof
from transparency.vrf import PrivateKey, index_of

MOST_STATEMENTS = 32
VRF = PrivateKey(bytes.fromhex(VECTORS["vrfSeed"]))
NONE_BEFORE = bytes(32)


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Owner:
    """Who signs as an identity, and with a recovery key."""

    def __init__(self, name: str) -> None:
        scalar = int.from_bytes(sha256(name.encode()), "big") % 2**255
        self.key: EllipticCurvePrivateKey = derive_private_key(scalar, SECP256R1())
        self.recovery_key = Ed25519PrivateKey.from_private_bytes(sha256(b"recovery", name.encode()))
        spki = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.identity = base64url(spki)
        self.recovery = base64url(self.recovery_key.public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        r, s = decode_dss_signature(self.key.sign(text.encode(), ECDSA(SHA256())))
        return base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))

    def recover(self, text: str) -> str:
        return base64url(self.recovery_key.sign(text.encode()))


class Accepted(NamedTuple):
    """A statement, as its client ID's owner sent it."""

    statement: Statement
    signatures: dict[str, str]
    public_key: str | None


class MadeDirectory:
    """Client IDs, their statements as a look-up lists them, and the log; `accepted` has all of them in their order."""

    def __init__(self) -> None:
        self.accepted: list[Accepted] = []
        self.log = MadeLog()
        self.listed: dict[str, list[dict[str, Any]]] = {}
        self.last: dict[str, Statement] = {}
        self.public_keys: dict[str, str | None] = {}
        self.statuses: dict[str, str] = {}

    def claim(self, client_id: str, owner: Owner) -> Statement:
        statement = first_statement(DIRECTORY, client_id, owner.identity, owner.recovery, owner.identity)
        self.accept(statement, {"identity": owner.sign(statement.text)}, owner.identity)
        return statement

    def accept(
        self, statement: Statement, signatures: dict[str, str], public_key: str | None, *, kind: int = 1, **lies: Any
    ) -> None:
        """Append a statement, whatever it is; `lies` are other numbers, index or update before than the right ones."""
        client_id = statement.client_id
        index = lies.get("index", index_of(VRF.prove(client_id.encode())))
        _, before = self.log.last.get(index, (-1, NONE_BEFORE))
        at = lies.get("at", BEGINNING + len(self.log.entries))
        numbers = kind, lies.get("seq", statement.seq), at
        digest = lies.get("digest", hashlib.sha256(statement.text.encode()).digest())
        self.log.write(index, digest, numbers, lies.get("before", before))
        update = base64url(self.log.entries[-1][:110])
        one = {"statement": statement.text, "signatures": signatures, "update": update}
        self.accepted.append(Accepted(statement, signatures, public_key))
        self.listed.setdefault(client_id, []).append(one)
        self.last[client_id] = statement
        self.public_keys[client_id] = public_key

    def answer(self, client_id: str, *, after: int = -1, size: int = 0, now: int) -> dict[str, Any]:
        """Return the payload of PKD_RESULT."""
        listed = [dict(one) for one in self.listed.get(client_id, [])[max(after, 0) :][:MOST_STATEMENTS]]
        if after >= 0 and listed:
            listed[0]["signatures"] = {}
        return {
            "clientId": client_id,
            "publicKey": self.public_keys.get(client_id),
            "directory": DIRECTORY,
            "status": self.statuses.get(client_id, "signed" if listed else "unsigned"),
            "statements": listed,
            "proof": self.proof(client_id, size, now),
        }

    def proof(self, client_id: str, size: int, now: int) -> dict[str, Any]:
        hashes = [sha256(b"\x00", entry) for entry in self.log.entries]
        vrf_proof = VRF.prove(client_id.encode())
        index = index_of(vrf_proof)
        siblings, met = self.log.tree.path(index)
        is_there = met is not None and met.startswith(index)
        total = len(hashes)
        return {
            "checkpoint": self.log.checkpoint(now, total),
            "entry": base64url(self.log.entries[-1]) if total else "",
            "inclusion": base64url(b"".join(inclusion_proof(hashes, total - 1) if total else [])),
            "consistency": base64url(b"".join(consistency_proof(hashes, size) if 0 < size < total else [])),
            "vrfProof": base64url(vrf_proof),
            "siblings": base64url(b"".join(siblings)),
            "nonInclusionLeaf": None if met is None or is_there else base64url(met),
        }

    @property
    def root(self) -> bytes:
        return merkle_root([sha256(b"\x00", entry) for entry in self.log.entries])


def successor(before: Statement, **changes: Any) -> Statement:
    """Return the statement after another one, with any fields changed."""
    return before.next()._replace(**changes)


__all__ = ["NOTHING", "VRF", "Accepted", "MadeDirectory", "Owner", "base64url", "successor"]
