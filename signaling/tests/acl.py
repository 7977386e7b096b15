"""The user of Redis that docs/settings.md describes, made for a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import redis

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"
OWN_PREFIX, OWN_NAME = "securecall", "SETUSER securecall"
PASSWORD = "password-of-the-test"


def documented(name: str, prefix: str) -> list[str]:
    """Return the documented command for a user of this name and for keys and channels with this prefix, in words."""
    (line,) = (line for line in PAGE.read_text().splitlines() if line.startswith("ACL SETUSER "))
    line = line.replace(OWN_NAME, f"SETUSER {name}").replace("PASSWORD", PASSWORD)
    return line.replace(f"~{OWN_PREFIX}", f"~{prefix}").replace(f"&{OWN_PREFIX}", f"&{prefix}").split()


@contextmanager
def user_of(url: str, prefix: str) -> Iterator[str]:
    """Make the user on the Redis at `url` while the block runs; gives its URL."""
    with redis.Redis.from_url(url) as operator:
        operator.execute_command(*documented(prefix, prefix))
        try:
            yield urlsplit(url)._replace(netloc=f"{prefix}:{PASSWORD}@{urlsplit(url).netloc}").geturl()
        finally:
            operator.acl_deluser(prefix)
