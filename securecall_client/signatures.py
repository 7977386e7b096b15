"""Check the signatures of owners: P-256 of an identity, Ed25519 of a recovery code or of a log."""

from securecall_client.refusal import RefusedError, from_base64url, require

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


def read_identity(text: str) -> ec.EllipticCurvePublicKey:
    """Read an identity in base64url: a P-256 key as SubjectPublicKeyInfo, on the curve; raises `RefusedError`."""
    data = from_base64url(text, IDENTITY_BYTES)
    # Uncompressed: another form of the point has another length.
    require(data.startswith(HEAD), "An identity is no P-256 key.")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data.removeprefix(HEAD))
    except ValueError:
        raise RefusedError("An identity is no point of the curve.") from None


def is_signed_by_identity(text: str, signature: str, identity: str) -> bool:
    """Return whether a P-256 key signed the UTF-8 text: r and s in base64url; refuses another form."""
    data = from_base64url(signature, SIGNATURE_BYTES)
    r, s = int.from_bytes(data[:32], "big"), int.from_bytes(data[32:], "big")
    try:
        read_identity(identity).verify(encode_dss_signature(r, s), text.encode(), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def is_signed_by_recovery(text: str, signature: str, recovery: str) -> bool:
    """Return whether an Ed25519 key signed the UTF-8 text, in base64url; refuses another form."""
    key, data = from_base64url(recovery, RECOVERY_BYTES), from_base64url(signature, SIGNATURE_BYTES)
    return is_signed(key, data, text.encode())


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether an Ed25519 signature is by a key."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
