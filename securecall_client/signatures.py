"""Check signatures of owners, and that base64url is spelt as its encoder does."""

import base64
import binascii

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
except ImportError as missing:
    raise ImportError('Install cryptography to check who owns a client ID: "securecall-client[owners]".') from missing

# The SubjectPublicKeyInfo of a P-256 key begins with these bytes; what follows is its point.
HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
SIGNATURE_BYTES, IDENTITY_BYTES, RECOVERY_BYTES = 64, 91, 32


def is_signed_by_identity(text: str, signature: str | None, identity: str) -> bool:
    """Return whether a P-256 key signed the UTF-8 text: r and s in base64url."""
    try:
        raw, key = decode(signature or "", SIGNATURE_BYTES), decode(identity, IDENTITY_BYTES)
        if not key.startswith(HEAD):
            return False
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.removeprefix(HEAD))
        r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
        point.verify(encode_dss_signature(r, s), text.encode(), ec.ECDSA(hashes.SHA256()))
    except (ValueError, InvalidSignature):
        return False
    return True


def is_signed_by_recovery(text: str, signature: str, recovery: str) -> bool:
    """Return whether an Ed25519 key signed the UTF-8 text; "-" is none."""
    try:
        key = Ed25519PublicKey.from_public_bytes(decode(recovery, RECOVERY_BYTES))
        key.verify(decode(signature, SIGNATURE_BYTES), text.encode())
    except (ValueError, InvalidSignature):
        return False
    return True


def decode(text: str, length: int) -> bytes:
    """Decode base64url without padding; raises `ValueError` for another length, or another spelling of it."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("This is no base64url.") from error
    if len(data) != length or base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise ValueError("This is not spelt as base64url is, or has another length.")
    return data
