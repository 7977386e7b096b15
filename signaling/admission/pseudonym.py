"""Pseudonyms of clients and addresses, for logs and keys: the name cannot be read from one."""

import functools
import hashlib

from django.conf import settings


@functools.cache
def _key() -> bytes:
    return hashlib.blake2b(settings.SECRET_KEY.encode(), person=b"pseudonym", digest_size=32).digest()


def pseudonym(name: str) -> str:
    """Return a short keyed hash of a name: the same one for as long as SECRET_KEY stays."""
    return hashlib.blake2b(name.encode(), key=_key(), digest_size=6).hexdigest()
