"""The keys that Redis throws away when its memory is full: whether some of ours may be among them."""

import logging
import re
import time
from collections.abc import Callable

from signaling.delivery.redis_link import RedisLink
from signaling.delivery.redis_refusals import RefusedError

logger = logging.getLogger(__name__)

# While it goes on, everything is restored this often at most.
PAUSE_SECONDS = 2.0


class Evictions:
    """Follows the number of keys that Redis has evicted, as far as its user may ask for it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.can_ask = False
        self._seen = 0
        self._next_at = 0.0
        self._is_told = False

    async def begin(self, link: RedisLink) -> None:
        """Find out whether the user may ask; after each connect."""
        try:
            stats: bytes = await link.call("INFO", "stats")
        except RefusedError:
            self.can_ask = False
        else:
            found = re.search(rb"evicted_keys:(\d+)", stats)
            self.can_ask, self._seen = True, int(found[1]) if found else 0

    def note(self, evicted: int) -> bool:
        """Note the number of evicted keys; return whether something may be missing."""
        now = self._clock()
        if evicted <= self._seen or now < self._next_at:
            return False
        self._seen, self._next_at = evicted, now + PAUSE_SECONDS
        if not self._is_told:
            self._is_told = True
            logger.warning(
                "Redis throws keys away because its memory is full, and what it threw away of ours is restored: set "
                "maxmemory-policy to noeviction, and raise maxmemory"
            )
        return True
