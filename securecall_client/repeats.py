"""Tell what the server sends again on a later connection from what is new."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from securecall_client.messages import (
    CallAccepted,
    CallEnded,
    CallRejected,
    IceCandidate,
    IncomingCall,
    ServerMessage,
)

# More calls than a client has at once, and more messages of one than the server keeps.
MOST_CALLS = 256
MOST_MESSAGES = 1024

OfACall: TypeAlias = IncomingCall | CallAccepted | CallRejected | CallEnded | IceCandidate
_ENDS = (CallEnded, CallRejected)


@dataclass(slots=True)
class _Call:
    # What was heard, oldest first: a dictionary keeps the order.
    heard: dict[object, None] = field(default_factory=dict)
    # The connection on which something new was heard last.
    connection: int = 0


class Repeats:
    """Remembers what was heard of each call.

    The server cannot know whether a client has read what it sent before a connection was lost. It sends that again on
    the next one, in the old order and before anything new (PROTOCOL.md, "Taken is delivered").
    """

    def __init__(self) -> None:
        self._connection = 0
        self._calls: dict[str, _Call] = {}

    def begin_connection(self) -> None:
        """Expect repeats of what was heard until now."""
        self._connection += 1

    def forget(self, call_id: str) -> None:
        """Forget a call, whose ID is used again."""
        self._calls.pop(call_id, None)

    def has_ended(self, call_id: str) -> bool:
        """Return whether the end of a call was heard."""
        return call_id in self._calls and any(end in self._calls[call_id].heard for end in _ENDS)

    def is_repeat(self, message: ServerMessage) -> bool:
        """Return whether the message was heard on an earlier connection; remember it if not."""
        if not isinstance(message, OfACall):
            return False
        call = self._calls.get(message.call_id)
        if call is None or (isinstance(message, IncomingCall) and any(end in call.heard for end in _ENDS)):
            # The second is a new call with the ID of one that ended, whose ring would not come again.
            self.forget(message.call_id)
            call = self._calls[message.call_id] = _Call()
            _shorten(self._calls, MOST_CALLS)
        key = _key_of(message)
        if call.connection != self._connection and key in call.heard:
            return True
        call.connection = self._connection
        call.heard[key] = None
        _shorten(call.heard, MOST_MESSAGES)
        return False


def _key_of(message: OfACall) -> object:
    """Return what is the same for a message and its repeat, whose `ice_servers` differ."""
    return msgspec.json.encode(message.candidate) if isinstance(message, IceCandidate) else type(message)


def _shorten(entries: dict[Any, Any], most: int) -> None:
    """Remove the oldest entries beyond `most`."""
    while len(entries) > most:
        del entries[next(iter(entries))]
