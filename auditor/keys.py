"""Keys as C2SP signed-note writes them: a name, a key ID, and an Ed25519 key with its type.

Type 01 signs a note's text; type 04 (cosignature/v1) signs the text and the time with it.
"""

import base64
import binascii
import hashlib
import re
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

NOTE, COSIGNATURE = 1, 4
KEY_BYTES = 32
ID_BYTES = 4
NAME = re.compile(r"[^\s+\x00-\x1f\x7f]+")
PRIVATE = "PRIVATE+KEY"


class VerifyingKey(NamedTuple):
    """A public key and the name that it signs as."""

    name: str
    type: int
    public: bytes

    @property
    def id(self) -> bytes:
        """Return the four bytes that name the key in a signature line."""
        return hashlib.sha256(f"{self.name}\n".encode() + bytes([self.type]) + self.public).digest()[:ID_BYTES]

    def cosigning(self) -> "VerifyingKey":
        """Return the same key as it signs with the time."""
        return self._replace(type=COSIGNATURE)

    def is_signature(self, signature: bytes, message: bytes) -> bool:
        """Return whether a signature is by this key."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def __str__(self) -> str:
        """Write the key as people pass it on, its vkey."""
        return _written(self, bytes([self.type]) + self.public)


class SigningKey(NamedTuple):
    """A private key and what verifies it."""

    private: Ed25519PrivateKey
    verifying: VerifyingKey

    def __str__(self) -> str:
        """Write the key as a key file has it."""
        secret = bytes([self.verifying.type]) + self.private.private_bytes_raw()
        return f"{PRIVATE}+{_written(self.verifying, secret)}"


def new_key(name: str) -> SigningKey:
    """Make a key that signs with the time; raises `ValueError` for a name that no note can have."""
    if not NAME.fullmatch(name):
        raise ValueError("A key's name has no blanks and no plus sign; a host of yours is a good one.")
    return _signing(name, COSIGNATURE, Ed25519PrivateKey.generate())


def read_vkey(text: str, *types: int) -> VerifyingKey:
    """Read a vkey of one of these types; raises `ValueError` for anything else."""
    name, key_id, data = _fields(text)
    key = VerifyingKey(name, data[0], data[1:])
    if key.type not in types or key.id.hex() != key_id:
        raise ValueError(
            "The vkey is not whole: its key ID does not fit. Copy it again, from the plus sign to the end."
        )
    return key


def read_signing_key(text: str) -> SigningKey:
    """Read what `SigningKey` writes; raises `ValueError` for anything else."""
    if not text.startswith(f"{PRIVATE}+"):
        raise ValueError("This is no file that `python -m auditor newkey` wrote.")
    name, key_id, data = _fields(text.removeprefix(f"{PRIVATE}+"))
    key = _signing(name, data[0], Ed25519PrivateKey.from_private_bytes(data[1:]))
    if data[0] != COSIGNATURE or key.verifying.id.hex() != key_id:
        raise ValueError("The key file is damaged: the key ID in it does not fit.")
    return key


def from_base64(text: str) -> bytes:
    """Decode base64 with padding; raises `ValueError` for any other spelling of the same bytes."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("This is no base64.") from error
    if base64.b64encode(data).decode() != text:
        raise ValueError("This is not how base64 is written.")
    return data


def _signing(name: str, kind: int, private: Ed25519PrivateKey) -> SigningKey:
    return SigningKey(private, VerifyingKey(name, kind, private.public_key().public_bytes_raw()))


def _written(key: VerifyingKey, data: bytes) -> str:
    return f"{key.name}+{key.id.hex()}+{base64.b64encode(data).decode()}"


def _fields(text: str) -> tuple[str, str, bytes]:
    """Split name, key ID and key; base64 may have plus signs of its own."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    data = from_base64(encoded) if encoded.isascii() else b""
    if not NAME.fullmatch(name) or len(data) != 1 + KEY_BYTES:
        raise ValueError("A key is NAME+ID+KEY, the last of them 33 bytes in base64.")
    return name, key_id, data
