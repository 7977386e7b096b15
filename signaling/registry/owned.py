"""The client IDs that belong to a key, as one process knows them: 8 bytes each, whatever their number.

`load` takes all of them from the directory. What changes later is noted beside them, with the identity that may
register from then on. IDs and identities are kept as 64 bits of their hash: two of a million that share one are as
unlikely as 1 in 10 million, and then the directory is asked about one that belongs to nobody.
"""

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable

UNSIGNED = ""


class OwnedIds:
    """A set of client IDs; `is_loaded` says that the directory was read."""

    def __init__(self) -> None:
        self.is_loaded = False
        self._all = array("Q")
        # Of those that changed since: client ID -> identity.
        self._changed: dict[int, int] = {}

    def load(self, client_ids: Iterable[str]) -> None:
        """Take the client IDs that the directory has, with those that were noted meanwhile."""
        self._all = array("Q", sorted(map(_short, client_ids)))
        self.is_loaded = True

    def note(self, client_id: str, identity: str) -> None:
        """Note that a client ID belongs to `identity` now."""
        self._changed[_short(client_id)] = _short(identity)

    def __contains__(self, client_id: str) -> bool:
        number = _short(client_id)
        return number in self._changed or self._is_among_all(number)

    def refuses(self, client_id: str, identity: str) -> bool:
        """Return whether a connection that was checked against `identity` may not have the client ID."""
        if not self._changed and not self._all:
            return False
        number = _short(client_id)
        owner = self._changed.get(number)
        if owner is not None:
            return owner != _short(identity)
        return identity == UNSIGNED and self._is_among_all(number)

    def _is_among_all(self, number: int) -> bool:
        place = bisect_left(self._all, number)
        return place < len(self._all) and self._all[place] == number


def _short(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
