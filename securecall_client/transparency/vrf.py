"""ECVRF-EDWARDS25519-SHA512-TAI (RFC 9381, suite 3): verification, in plain integers.

A client verifies what is public, so nothing here has to take the same time for every input.
"""

import hashlib
from functools import lru_cache
from typing import NamedTuple

from securecall_client.refusal import RefusedError, require

SUITE = b"\x03"
PROOF_BYTES = 80
POINT_BYTES = 32
CHALLENGE_BYTES = 16
COFACTOR = 8
KEPT_PROOFS = 1024
P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQUARE_ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)


class Point(NamedTuple):
    """A point of edwards25519 in extended coordinates: x = X/Z, y = Y/Z, xy = T/Z."""

    x: int
    y: int
    z: int
    t: int

    def plus(self, other: "Point") -> "Point":
        """Add two points (RFC 8032, 5.1.4)."""
        a = (self.y - self.x) * (other.y - other.x) % P
        b = (self.y + self.x) * (other.y + other.x) % P
        c = 2 * D * self.t * other.t % P
        d = 2 * self.z * other.z % P
        e, f, g, h = b - a, d - c, d + c, b + a
        return Point(e * f % P, g * h % P, f * g % P, e * h % P)

    def times(self, number: int) -> "Point":
        """Multiply a point by a number."""
        product, power = NEUTRAL, self
        while number:
            if number & 1:
                product = product.plus(power)
            power = power.plus(power)
            number >>= 1
        return product

    def minus(self) -> "Point":
        """Return the point that added to this one gives the neutral one."""
        return Point(-self.x % P, self.y, self.z, -self.t % P)

    def encoded(self) -> bytes:
        """Return the 32 bytes of a point (RFC 8032, 5.1.2)."""
        inverse = pow(self.z, -1, P)
        x, y = self.x * inverse % P, self.y * inverse % P
        return (y | (x & 1) << 255).to_bytes(POINT_BYTES, "little")


NEUTRAL = Point(0, 1, 1, 0)


def decode(data: bytes) -> Point:
    """Read a point (RFC 8032, 5.1.3); refuses y ≥ p, and x = 0 with the sign bit."""
    number = int.from_bytes(data, "little")
    y, sign = number & (1 << 255) - 1, number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * SQUARE_ROOT_OF_MINUS_1 % P
    require(len(data) == POINT_BYTES and y < P and x * x % P == square, "These bytes are no point of the curve.")
    require(not (x == 0 and sign), "This is another spelling of a point.")
    if x & 1 != sign:
        x = P - x
    return Point(x, y, 1, x * y % P)


BASE = decode((4 * pow(5, -1, P) % P).to_bytes(POINT_BYTES, "little"))


# A client ID has the same proof in every answer, as long as the log has the same key.
@lru_cache(KEPT_PROOFS)
def verify(key: bytes, alpha: bytes, proof: bytes) -> bytes:
    """Return the VRF's output for `alpha`, 64 bytes (5.3, with `validate_key`); raises `RefusedError`."""
    require(len(proof) == PROOF_BYTES, f"A proof of an index has {PROOF_BYTES} bytes.")
    public = decode(key)
    require(public.times(COFACTOR).encoded() != NEUTRAL.encoded(), "The log's key for indexes is of small order.")
    gamma = decode(proof[:POINT_BYTES])
    challenge = proof[POINT_BYTES : POINT_BYTES + CHALLENGE_BYTES]
    c, s = int.from_bytes(challenge, "little"), int.from_bytes(proof[POINT_BYTES + CHALLENGE_BYTES :], "little")
    require(s < Q, "The proof of an index has another spelling.")
    point = _encode_to_curve(key, alpha)
    u = BASE.times(s).plus(public.times(c).minus())
    v = point.times(s).plus(gamma.times(c).minus())
    points = b"".join((key, point.encoded(), proof[:POINT_BYTES], u.encoded(), v.encoded()))
    expected = hashlib.sha512(SUITE + b"\x02" + points + b"\x00").digest()[:CHALLENGE_BYTES]
    require(expected == challenge, "The index is not that of the client ID.")
    # Of 8·Gamma: one output for all Gamma that differ outside the subgroup (5.2).
    return hashlib.sha512(SUITE + b"\x03" + gamma.times(COFACTOR).encoded() + b"\x00").digest()


def _encode_to_curve(salt: bytes, alpha: bytes) -> Point:
    """Return a point of the subgroup for `alpha`, by try and increment (5.4.1.1)."""
    for counter in range(256):
        data = hashlib.sha512(SUITE + b"\x01" + salt + alpha + bytes([counter, 0])).digest()[:POINT_BYTES]
        try:
            point = decode(data).times(COFACTOR)
        except RefusedError:
            continue
        if point.encoded() != NEUTRAL.encoded():
            return point
    raise RefusedError("The client ID has no index.")
