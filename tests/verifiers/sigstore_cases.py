"""Verify cases of a transparency log with sigstore's Python verifier: the log's signature, and inclusion.

Its public interface takes signed artefacts alone, so its two checks are called here as it calls them itself. It has
none of consistency.
"""

import base64
from collections.abc import Callable
from functools import partial

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore._internal.rekor.checkpoint import SignedCheckpoint, verify_checkpoint
from sigstore._internal.trust import Keyring, RekorKeyring
from sigstore.models import TransparencyLogEntry
from sigstore_models.common import v1 as common
from sigstore_models.rekor import v1 as rekor

from tests.verifiers.verdicts import Case, write_verdicts


def verify(key_id: bytes, keyring: RekorKeyring, case: Case) -> None:
    """Raise what sigstore raises for a case that it refuses."""
    checkpoint = SignedCheckpoint.from_text(case["checkpoint"]).checkpoint
    entry = TransparencyLogEntry(
        rekor.TransparencyLogEntry(
            log_index=str(case["number"]),
            log_id=common.LogId(key_id=base64.b64encode(key_id)),
            kind_version=rekor.KindVersion(kind="securecall", version="1"),
            inclusion_proof=rekor.InclusionProof(
                log_index=str(case["number"]),
                root_hash=base64.b64encode(bytes.fromhex(checkpoint.log_hash)),
                tree_size=str(checkpoint.log_size),
                hashes=[one.encode() for one in case["inclusion"]],
                checkpoint=rekor.Checkpoint(envelope=case["checkpoint"]),
            ),
            canonicalized_body=case["entry"].encode(),
        )
    )
    verify_merkle_inclusion(entry)
    verify_checkpoint(keyring, entry)


def verifier_of(vkey: str) -> Callable[[Case], None]:
    """Give sigstore a log's key."""
    _, key_id, encoded = vkey.split("+", 2)
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded)[1:])
    public = common.PublicKey(
        raw_bytes=base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
        key_details=common.PublicKeyDetails.PKIX_ED25519,
    )
    return partial(verify, bytes.fromhex(key_id), RekorKeyring(Keyring([public])))


if __name__ == "__main__":
    write_verdicts(verifier_of)
