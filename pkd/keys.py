"""The rules of client IDs and public keys (PROTOCOL.md, "Frames" and "Public key directory"; TRUST.md, "Keys").

Pure: no Django, clock or I/O.
"""

import base64
import contextlib
import hashlib
import re
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from msgspec import UNSET, Meta

# `\Z`, because `$` also matches before a final newline: "bob\n" is no client ID.
ClientId = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}\Z")]

DEFAULT_MAX_BYTES = 16_384
# Of a frame (PROTOCOL.md, "Frames"): also of the answer that a key comes in.
MAX_FRAME_BYTES = 65_536

# As far as a JSON schema can say it; `problem` checks the rules, with a sentence for each.
PublicKey = Annotated[
    str, Meta(extra_json_schema={"minLength": 1, "maxLength": DEFAULT_MAX_BYTES, "pattern": r"^[^\x00]+\Z"})
]

# In this order: whether a rule is broken, and what to say then. Postgres keeps no U+0000.
RULES: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (lambda key: key is UNSET, "publicKey is missing; give the key as a string."),
    (lambda key: not isinstance(key, str), "publicKey is not a string; give the key as one."),
    (lambda key: not key, "publicKey is empty; give a key of at least one character."),
    (lambda key: "\0" in key, "publicKey holds the character U+0000; give a key without it."),
    (
        lambda key: re.search("[\ud800-\udfff]", key) is not None,
        "publicKey holds half of a surrogate pair, which is no character; give a key without it.",
    ),
)

BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
DIGEST_BYTES = RECOVERY_BYTES = 32
SIGNATURE_BYTES = 64
# The SubjectPublicKeyInfo of a P-256 key that is not compressed (RFC 5480) begins with these bytes.
IDENTITY_HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
IDENTITY_BYTES = 91
IDENTITY_CHARACTERS = -(-IDENTITY_BYTES * 4 // 3)
NO_IDENTITY = "Give an identity: a P-256 key as SubjectPublicKeyInfo, in base64url without padding."
CURVE25519_PRIME = 2**255 - 19
# The y of the eight points whose order divides 8, whatever the sign of their x.
SMALL_ORDER_Y = frozenset(
    {
        0,
        1,
        CURVE25519_PRIME - 1,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    }
)


class BadKeyError(ValueError):
    """A public key breaks a rule; the text is the sentence that names it."""


def problem(public_key: Any, max_bytes: int = 0) -> str:
    """Return a sentence that names the rule that `public_key` breaks; "" for a key. A limit of 0 is none.

    `UNSET` stands for a missing key. Beyond the rules the text is opaque: line ends and blanks belong to it.
    """
    for is_broken_by, sentence in RULES:
        if is_broken_by(public_key):
            return sentence
    size = len(public_key.encode())
    if 0 < max_bytes < size:
        return f"publicKey is {size:,} bytes long in UTF-8; give a key of at most {max_bytes:,} bytes."
    return ""


def fits_an_answer(client_id: str, public_key: str) -> bool:
    """Return whether `PKD_RESULT` with this key is no longer than a frame may be."""
    answer = {"type": "PKD_RESULT", "payload": {"clientId": client_id, "publicKey": public_key}}
    return len(msgspec.json.encode(answer)) <= MAX_FRAME_BYTES


def base64url(data: bytes) -> str:
    """Encode `data` in base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str, length: int) -> bytes:
    """Decode base64url of `length` bytes; raises `ValueError` for any spelling but the one that `base64url` gives.

    Python's decoder skips characters that it does not know, and takes bits behind the last byte.
    """
    sentence = f"Write {length} bytes in base64url without padding."
    if not BASE64URL.fullmatch(text) or len(text) != -(-length * 4 // 3):
        raise ValueError(sentence)
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64url(data) != text:
        raise ValueError(sentence)
    return data


def identity_key(text: str) -> ec.EllipticCurvePublicKey:
    """Read an identity; raises `ValueError` for anything else, with the sentence `NO_IDENTITY`."""
    with contextlib.suppress(ValueError):
        data = from_base64url(text, IDENTITY_BYTES)
        if data.startswith(IDENTITY_HEAD):
            # What follows is 04 x y; a point that is not on the curve is refused.
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data[len(IDENTITY_HEAD) - 1 :])
    raise ValueError(NO_IDENTITY)


def is_identity(text: str) -> bool:
    """Return whether `text` is an identity; a public key that is one may claim its client ID."""
    try:
        identity_key(text)
    except ValueError:
        return False
    return True


def recovery_key(text: str) -> Ed25519PublicKey:
    """Read a public recovery key; raises `ValueError` for what is none, and for a point of small order.

    Under a key of small order there are signatures that are right for every message.
    """
    data = from_base64url(text, RECOVERY_BYTES)
    if (int.from_bytes(data, "little") & (1 << 255) - 1) % CURVE25519_PRIME in SMALL_ORDER_Y:
        raise ValueError("A recovery key is not of small order.")
    return Ed25519PublicKey.from_public_bytes(data)


def is_signed_by_identity(text: str, signature: str, identity: str) -> bool:
    """Return whether `signature`, r and s in base64url, is the identity's over `text`."""
    try:
        data = from_base64url(signature, SIGNATURE_BYTES)
        r, s = (int.from_bytes(half, "big") for half in (data[:32], data[32:]))
        identity_key(identity).verify(encode_dss_signature(r, s), text.encode(), ec.ECDSA(hashes.SHA256()))
    except (ValueError, InvalidSignature):
        return False
    return True


def is_signed_by_recovery(text: str, signature: str, recovery: str) -> bool:
    """Return whether `signature`, in base64url, is the recovery key's over `text`."""
    try:
        recovery_key(recovery).verify(from_base64url(signature, SIGNATURE_BYTES), text.encode())
    except (ValueError, InvalidSignature):
        return False
    return True


def digest(text: str) -> str:
    """Return the SHA-256 of the UTF-8 text, in base64url."""
    return base64url(hashlib.sha256(text.encode()).digest())
