"""Counters of this process since its start: plain integers under labels that are known beforehand.

The event loop alone increments them, so there are no locks; threads may read. No label ever names a client,
a call or an address. What a count means to an operator stands in `operators/metrics.py`.
"""

import itertools
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import TypeAlias

from signaling.protocol import closing
from signaling.protocol.calls import EndReason
from signaling.protocol.client_messages import CLIENT_MESSAGES
from signaling.protocol.closing import Close
from signaling.protocol.errors import ErrorCode, InvalidMessageError, ProtocolError, UnavailableError
from signaling.protocol.server_messages import SERVER_MESSAGES, ServerMessage

# A frame that is no message: not JSON, too long, binary, of an unknown type.
INVALID = "invalid"
# A call that one of its clients ended, whatever it gave as a reason.
BY_CLIENT = "client"
OTHER = "other"
# The outcomes of publishing a key again, and of a lookup.
UNCHANGED, FOUND, MISSING = "unchanged", "found", "missing"

# The reasons for refusing a connection.
TOO_MANY_FROM_ADDRESS = "address_limit"
ORIGIN_NOT_ALLOWED = "origin"
UNKNOWN_PATH = "path"
STOPPING = "stopping"
BANNED = "banned"
# And of refusing an HTTP request, with the first of them.
TOO_MANY_AT_ONCE = "busy"

# The reasons for a line that is not in the log: its reader hung, or many of its kind came before it.
NOT_READ, REPEATED = "not_read", "repeated"

# The meanings of close codes that clients and servers send (RFC 6455, section 7.4.1).
_STANDARD_CLOSES = {
    1000: "normal closure",
    1001: "going away",
    1002: "protocol error",
    1005: "no status code",
    1006: "connection lost",
    1007: "invalid data",
    1009: "message too big",
    1012: "service restart",
}
_OUR_CLOSES = [close for close in vars(closing).values() if isinstance(close, Close)]

# Hops that are timed between two rounds of the node: at most 64 a second. Timing each would cost a busy server a
# twentieth of what it needs for a message.
HOPS_PER_ROUND = 16

Counts = dict[str, int]


class Histogram:
    """Counts of durations between bounds, in seconds, and the sum of all.

    `budget` is the number of durations that will still be counted, until the node's next round sets it again: many
    durations are sampled, few are counted completely.
    """

    __slots__ = ("bounds", "budget", "counts", "sum_seconds")

    def __init__(self, *bounds: float, budget: int) -> None:
        self.budget = budget
        self.bounds = bounds
        # The last one counts durations beyond every bound.
        self.counts = [0] * (len(bounds) + 1)
        self.sum_seconds = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration, within the budget; a bound includes its own value."""
        if not self.budget:
            return
        self.budget -= 1
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum_seconds += seconds


Family: TypeAlias = int | Counts | dict[type[ServerMessage], int] | Histogram


class Counters:
    """A field for each family of counts: an integer, or an integer for each label."""

    def __init__(self) -> None:
        self.connections_opened = 0
        self.connections_closed: Counts = dict.fromkeys(
            [*(_closed(close) for close in _OUR_CLOSES), *map(_closed, _STANDARD_CLOSES), OTHER], 0
        )
        self.connections_refused: Counts = dict.fromkeys(
            [TOO_MANY_FROM_ADDRESS, ORIGIN_NOT_ALLOWED, UNKNOWN_PATH, STOPPING, BANNED], 0
        )
        self.http_requests_refused: Counts = dict.fromkeys([TOO_MANY_FROM_ADDRESS, TOO_MANY_AT_ONCE], 0)
        self.registrations = 0
        self.messages_received: Counts = dict.fromkeys([*CLIENT_MESSAGES, INVALID], 0)
        # By the message's class, which hashes faster than its name.
        self.messages_sent: dict[type[ServerMessage], int] = dict.fromkeys(SERVER_MESSAGES, 0)
        self.messages_held = 0
        self.messages_dropped = 0
        self.messages_not_kept = 0
        self.errors_sent: Counts = dict.fromkeys([code.value for code in ErrorCode], 0)
        # Of the errors RATE_LIMITED, those that mean "the database or Redis is away".
        self.requests_unavailable = 0
        self.calls_opened = 0
        self.calls_answered = 0
        self.calls_rejected = 0
        self.calls_ended: Counts = dict.fromkeys([BY_CLIENT, *(reason.value for reason in EndReason)], 0)
        self.key_publications: Counts = dict.fromkeys(["published", "changed", UNCHANGED], 0)
        self.key_lookups: Counts = dict.fromkeys([FOUND, MISSING], 0)
        self.turn_credentials_minted = 0
        # Counted under the lock of the log's handler, by any thread.
        self.log_lines_lost: Counts = dict.fromkeys([NOT_READ, REPEATED], 0)
        self.redis_connects = 0
        # Events of other versions' processes that were unknown here, and events of this one that were unknown there.
        self.events_unknown = 0
        self.events_returned = 0
        # From a frame's receipt to its write to the peer, or to Redis' reply.
        self.hop = Histogram(
            0.00005,
            0.0001,
            0.00025,
            0.0005,
            0.001,
            0.0025,
            0.005,
            0.01,
            0.025,
            0.05,
            0.1,
            0.25,
            0.5,
            1.0,
            budget=HOPS_PER_ROUND,
        )
        self.event_loop_lag = Histogram(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, budget=1)

    def count_minted(self, ice_servers: list[dict[str, str]]) -> list[dict[str, str]]:
        """Count the credential of ICE servers that a client is given, if they have one, and return them."""
        for server in ice_servers:
            if "credential" in server:
                self.turn_credentials_minted += 1
                break
        return ice_servers

    def count_error(self, error: ProtocolError, request: object) -> None:
        """Count an `ERROR` to a client; `request` is the type that the refused frame had, if any."""
        self.errors_sent[error.code.value] += 1
        if isinstance(error, UnavailableError):
            self.requests_unavailable += 1
        elif isinstance(error, InvalidMessageError) and request not in CLIENT_MESSAGES:
            self.messages_received[INVALID] += 1

    def count_close(self, close: Close | int) -> None:
        """Count the end of a connection, under the server's close, or under the code that the client sent."""
        label = _closed(close)
        self.connections_closed[label if label in self.connections_closed else OTHER] += 1

    def read(self) -> "array[int]":
        """Return every count, in the order of `LABELS`."""
        return array("Q", itertools.chain.from_iterable(map(_counts_in, vars(self).values())))


def _closed(close: Close | int) -> str:
    if isinstance(close, Close):
        return f"{close.code} {close.reason}"
    return f"{close} {_STANDARD_CLOSES.get(close, OTHER)}"


def _labels_of(family: Family) -> list[str]:
    if isinstance(family, Histogram):
        return [*map(str, family.bounds), "+Inf"]
    if isinstance(family, dict):
        return [key if isinstance(key, str) else SERVER_MESSAGES[key] for key in family]
    return [""]


def _counts_in(family: Family) -> Iterable[int]:
    if isinstance(family, Histogram):
        return family.counts
    if isinstance(family, dict):
        return family.values()
    return (family,)


counters = Counters()

# The family and the label of each count that `read` returns.
LABELS = [(name, label) for name, family in vars(counters).items() for label in _labels_of(family)]
