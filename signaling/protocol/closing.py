"""The close codes that the server sends, and when (PROTOCOL.md, "Connection life").

Clients in the field take 1000 and 4000 to 4099 for "do not reconnect": the server never sends those.
"""

from typing import NamedTuple


class Close(NamedTuple):
    """A close code and its reason text (RFC 6455, section 7.1.5 and 7.1.6)."""

    code: int
    reason: str


REGISTRATION_TIMEOUT = Close(4408, "registration timeout")
HEARTBEAT_TIMEOUT = Close(4408, "heartbeat timeout")
SUPERSEDED = Close(4409, "superseded")
TOO_MANY_REQUESTS = Close(4429, "too many requests")
TOO_MANY_CONNECTIONS = Close(4429, "too many connections")
DISCONNECTED_BY_OPERATOR = Close(4503, "disconnected by operator")
SLOW_CONSUMER = Close(4507, "slow consumer")
INTERNAL_ERROR = Close(1011, "internal error")

# Going away and a normal closure end a client's calls; a close frame without a code (1005, what a
# browser's `socket.close()` sends) is as deliberate.
CLEAN_CODES = frozenset({1000, 1001, 1005})
