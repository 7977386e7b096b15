"""The bytes that a process keeps of what was written: unproved messages, and its callers' copies of what rings."""

import math

from signaling.protocol.errors import RateLimitedError

TOO_MUCH_UNPROVED = ("The server keeps as many messages as it may for clients that reconnect; send this again.", 1.0)


class Room:
    """What this process keeps of messages that were written: `size` bytes, and at most `limit_bytes` (0: no limit)."""

    __slots__ = ("most", "size")

    def __init__(self, limit_bytes: int) -> None:
        self.most = limit_bytes or math.inf
        self.size = 0

    def has(self, size: int) -> bool:
        """Return whether there is room for so many bytes more."""
        return self.size + size <= self.most

    def check(self, size: int) -> None:
        """Raise `RateLimitedError` when a message of so many bytes would be too much."""
        if self.size + size > self.most:
            raise RateLimitedError(*TOO_MUCH_UNPROVED)
