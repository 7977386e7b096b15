"""ECVRF-EDWARDS25519-SHA512-TAI (RFC 9381, suite 3) over libsodium: a client ID to its index, and the proof of it.

How it works
------------
libsodium multiplies only points of the prime-order subgroup, and decodes more spellings than RFC 8032 allows. Points
are therefore checked here before it sees them, and a point that may have a part outside the subgroup is multiplied in
two steps: its part inside, by libsodium, and its part outside, whose order divides 8, by adding.
Pure: no Django, clock or I/O.
"""

import hashlib
from functools import cached_property

from nacl import bindings as sodium
from nacl.exceptions import RuntimeError as SodiumError

SUITE = b"\3"
PROOF_BYTES = 80
KEY_BYTES = SEED_BYTES = 32
INDEX_BYTES = 32
PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
SIGN = 1 << 255
COFACTOR = 8
# The point (0, 1).
NEUTRAL = (1).to_bytes(32, "little")
X_IS_ZERO = frozenset({1, PRIME - 1})
CHALLENGE_BYTES = 16


class BadProofError(ValueError):
    """A key or a proof that RFC 9381 refuses."""


class PrivateKey:
    """The private key of a log's VRF, made from its seed of 32 bytes."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError(f"The seed of a VRF key has {SEED_BYTES} bytes.")
        hashed = hashlib.sha512(seed).digest()
        # Clamped, as RFC 8032, 5.1.5 says.
        scalar = int.from_bytes(hashed[:32], "little") & ((1 << 254) - COFACTOR) | 1 << 254
        self._scalar = _scalar(scalar)
        self._nonce_key = hashed[32:]

    @cached_property
    def public(self) -> bytes:
        """Return the public key, 32 bytes."""
        return sodium.crypto_scalarmult_ed25519_base_noclamp(self._scalar)

    def prove(self, alpha: bytes) -> bytes:
        """Return the proof for `alpha`, 80 bytes (5.1)."""
        point, gamma = self._points(alpha)
        # 5.4.2.2
        nonce = sodium.crypto_core_ed25519_scalar_reduce(hashlib.sha512(self._nonce_key + point).digest())
        challenge = _challenge(
            *(self.public, point, gamma),
            sodium.crypto_scalarmult_ed25519_base_noclamp(nonce),
            sodium.crypto_scalarmult_ed25519_noclamp(nonce, point),
        )
        product = sodium.crypto_core_ed25519_scalar_mul(challenge + bytes(32 - CHALLENGE_BYTES), self._scalar)
        return gamma + challenge + sodium.crypto_core_ed25519_scalar_add(nonce, product)

    def index(self, alpha: bytes) -> bytes:
        """Return the index that the proof for `alpha` proves, for half of the work."""
        _, gamma = self._points(alpha)
        return _output(gamma)[:INDEX_BYTES]

    def _points(self, alpha: bytes) -> tuple[bytes, bytes]:
        point = _encode_to_curve(self.public, alpha)
        return point, sodium.crypto_scalarmult_ed25519_noclamp(self._scalar, point)


def index_of(proof: bytes) -> bytes:
    """Return the index that a proof of our own proves; one of somebody else's has to be verified."""
    return _output(proof[:32])[:INDEX_BYTES]


def verify(key: bytes, alpha: bytes, proof: bytes) -> bytes:
    """Return the VRF's output for `alpha`, 64 bytes (5.3, with `validate_key`); raises `BadProofError`."""
    if len(proof) != PROOF_BYTES:
        raise BadProofError(f"A proof has {PROOF_BYTES} bytes.")
    _check_point(key)
    if _times_cofactor(key) == NEUTRAL:
        raise BadProofError("The key is of small order.")
    gamma, challenge, s = proof[:32], proof[32:48], proof[48:]
    _check_point(gamma)
    if int.from_bytes(s, "little") >= ORDER:
        raise BadProofError("s is not below the order of the group.")
    point = _encode_to_curve(key, alpha)
    c = int.from_bytes(challenge, "little")
    u = sodium.crypto_core_ed25519_sub(_base_times(s), _times(c, key))
    v = sodium.crypto_core_ed25519_sub(_subgroup_times(s, point), _times(c, gamma))
    if _challenge(key, point, gamma, u, v) != challenge:
        raise BadProofError("The proof is not of this key and this input.")
    return _output(gamma)


def _output(gamma: bytes) -> bytes:
    """Return what a point stands for (5.2): of 8·Gamma, which is one for all Gamma that differ outside the subgroup."""
    return hashlib.sha512(SUITE + b"\3" + _times_cofactor(gamma) + b"\0").digest()


def _encode_to_curve(salt: bytes, alpha: bytes) -> bytes:
    """Return a point of the subgroup for `alpha`, by try and increment (5.4.1.1)."""
    for counter in range(256):
        data = hashlib.sha512(SUITE + b"\1" + salt + alpha + bytes([counter]) + b"\0").digest()[:32]
        try:
            _check_point(data)
            point = _times_cofactor(data)
        except BadProofError:
            continue
        if point != NEUTRAL:
            return point
    raise BadProofError("No point was found.")


def _challenge(*points: bytes) -> bytes:
    """Return the challenge of five points (5.4.3)."""
    return hashlib.sha512(SUITE + b"\2" + b"".join(points) + b"\0").digest()[:CHALLENGE_BYTES]


def _check_point(data: bytes) -> None:
    """Raise `BadProofError` for what RFC 8032, 5.1.3 does not decode; whether it is on the curve libsodium says."""
    number = int.from_bytes(data, "little")
    y = number & (SIGN - 1)
    if len(data) != KEY_BYTES or y >= PRIME or (y in X_IS_ZERO and number & SIGN):
        raise BadProofError("These bytes are not the encoding of a point.")
    _add(data, NEUTRAL)


def _add(one: bytes, other: bytes) -> bytes:
    try:
        return sodium.crypto_core_ed25519_add(one, other)
    except SodiumError:
        raise BadProofError("These bytes are no point of the curve.") from None


def _times_cofactor(point: bytes) -> bytes:
    for _ in range(3):
        point = _add(point, point)
    return point


def _scalar(number: int) -> bytes:
    return number.to_bytes(32, "little")


def _base_times(scalar: bytes) -> bytes:
    return sodium.crypto_scalarmult_ed25519_base_noclamp(scalar) if any(scalar) else NEUTRAL


def _subgroup_times(scalar: bytes, point: bytes) -> bytes:
    """Multiply a point of the subgroup by a number below its order; libsodium refuses where the result is neutral."""
    return sodium.crypto_scalarmult_ed25519_noclamp(scalar, point) if any(scalar) else NEUTRAL


def _times(number: int, point: bytes) -> bytes:
    """Multiply any point of the curve."""
    eightfold = _times_cofactor(point)
    if eightfold == NEUTRAL:
        inside, product = NEUTRAL, NEUTRAL
    else:
        inside = _subgroup_times(_scalar(pow(COFACTOR, -1, ORDER)), eightfold)
        product = _subgroup_times(_scalar(number % ORDER), inside)
    outside = sodium.crypto_core_ed25519_sub(point, inside)
    for _ in range(number % COFACTOR):
        product = _add(product, outside)
    return product
