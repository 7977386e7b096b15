"""The close codes that the server sends, and when (PROTOCOL.md, "Connection life").

Clients in the field take 1000 and 4000 to 4099 for "do not reconnect": the server never sends those.
"""

from enum import IntEnum
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


class Hold(IntEnum):
    """How long a client's calls outlast its connection; false: not at all."""

    NONE = 0
    FULL = 1
    # The client said that it goes away: a page that reloads and an app that changes networks are back soon.
    BRIEF = 2


# A close frame without a code (1005) is what a browser's `socket.close()` sends, as deliberate as a normal closure.
_HOLDS = {1000: Hold.NONE, 1001: Hold.BRIEF, 1005: Hold.NONE}


def hold_after(code: int) -> Hold:
    """Return how long the calls of a client whose connection ended with `code` are held."""
    return _HOLDS.get(code, Hold.FULL)
