"""Inclusion and consistency proofs as RFC 6962, 2.1.1 and 2.1.2 define them, over leaf hashes."""

from tests.support.made_log import merkle_root


def _split(size: int) -> int:
    """Return the largest power of two below a size."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_proof(hashes: list[bytes], number: int) -> list[bytes]:
    """Return the siblings of a leaf on its way to the root, the lowest first."""
    if len(hashes) == 1:
        return []
    left, right = hashes[: _split(len(hashes))], hashes[_split(len(hashes)) :]
    if number < len(left):
        return [*inclusion_proof(left, number), merkle_root(right)]
    return [*inclusion_proof(right, number - len(left)), merkle_root(left)]


def consistency_proof(hashes: list[bytes], earlier: int, *, is_root_known: bool = True) -> list[bytes]:
    """Return what shows that the tree extends its first `earlier` leaves."""
    if earlier == len(hashes):
        return [] if is_root_known else [merkle_root(hashes)]
    left, right = hashes[: _split(len(hashes))], hashes[_split(len(hashes)) :]
    if earlier <= len(left):
        return [*consistency_proof(left, earlier, is_root_known=is_root_known), merkle_root(right)]
    return [*consistency_proof(right, earlier - len(left), is_root_known=False), merkle_root(left)]
