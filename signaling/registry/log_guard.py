"""The rollback guard of the public log in Redis, one for all processes (TRUST.md, "Limits and privacy")."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from signaling.registry.redis_leases import registry_prefix
from transparency.guard import Tree

# In one step: another process may keep a larger tree meanwhile.
KEEP = """
local kept = redis.call('GET', KEYS[1])
if not kept or tonumber(string.match(kept, '^%d+')) < tonumber(ARGV[1]) then
    redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2])
end
"""


class RedisStore:
    """The `Store` of every process on one Redis; `call` sends it a command, `prefix` is the channel layer's."""

    def __init__(self, call: Callable[..., Awaitable[Any]], prefix: str) -> None:
        self._call = call
        self._prefix = f"{registry_prefix(prefix)}:log"

    async def read(self, vkey: str) -> Tree | None:
        """See `Store.read`; raises `UnavailableError`."""
        kept = await self._call("GET", self._key(vkey))
        if kept is None:
            return None
        size, root = kept.decode().split()
        return Tree(int(size), bytes.fromhex(root))

    async def keep(self, vkey: str, tree: Tree) -> None:
        """See `Store.keep`; raises `UnavailableError`."""
        await self._call("EVAL", KEEP, 1, self._key(vkey), tree.size, tree.root.hex())

    def _key(self, vkey: str) -> str:
        return f"{self._prefix}:{hashlib.sha256(vkey.encode()).hexdigest()}"
