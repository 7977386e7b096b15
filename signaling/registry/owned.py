"""The client IDs that belong to a key, as one process knows them: 8 bytes each, whatever their number.

`load` takes all of them from the directory. What changes later is noted beside them, with the identity that may
register from then on. IDs and identities are kept as 64 bits of their hash: two of a million that share one are as
unlikely as 1 in 10 million, and then the directory is asked about one that belongs to nobody.

An identity stands here with the number of the statement since which it owns the ID, behind a space: news of owners may
come in any order, and what is older changes nothing.
"""

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable

UNSIGNED = ""
HASH_BITS = 64


class OwnedIds:
    """A set of client IDs; `is_loaded` says that the directory was read."""

    def __init__(self) -> None:
        self.is_loaded = False
        self._all = array("Q")
        # Of those that changed since: client ID -> identity, with its number above it.
        self._changed: dict[int, int] = {}

    def load(self, client_ids: Iterable[str]) -> None:
        """Take the client IDs that the directory has, with those that were noted meanwhile."""
        self._all = array("Q", sorted(map(_short, client_ids)))
        self.is_loaded = True

    def note(self, client_id: str, identity: str) -> None:
        """Note that a client ID belongs to `identity` now, unless that is older than what is known."""
        number, noted = _short(client_id), _numbered(identity)
        if noted >> HASH_BITS >= self._changed.get(number, 0) >> HASH_BITS:
            self._changed[number] = noted

    def __contains__(self, client_id: str) -> bool:
        if not self._changed and not self._all:
            return False
        number = _short(client_id)
        return number in self._changed or self._is_among_all(number)

    def refuses(self, client_id: str, identity: str) -> bool:
        """Return whether a connection that was checked against `identity` may not have the client ID."""
        if not self._changed and not self._all:
            return False
        number = _short(client_id)
        owner = self._changed.get(number)
        if owner is not None:
            return owner != _numbered(identity)
        return identity == UNSIGNED and self._is_among_all(number)

    def _is_among_all(self, number: int) -> bool:
        place = bisect_left(self._all, number)
        return place < len(self._all) and self._all[place] == number


def _numbered(identity: str) -> int:
    _, _, since = identity.rpartition(" ")
    return (int(since) if since.isdecimal() else 0) << HASH_BITS | _short(identity)


def _short(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
