"""Names for clients and addresses that a log or a key may hold: they cannot be turned back."""

import functools
import hashlib

from django.conf import settings


@functools.cache
def _key() -> bytes:
    return hashlib.blake2b(settings.SECRET_KEY.encode(), person=b"pseudonym", digest_size=32).digest()


def pseudonym(name: str) -> str:
    """Return a short keyed hash: the same for the same name, for as long as the secret key stays."""
    return hashlib.blake2b(name.encode(), key=_key(), digest_size=6).hexdigest()
