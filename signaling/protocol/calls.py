"""The life of a call, as one table (PROTOCOL.md, "Calls"). A missing row is `CALL_NOT_FOUND`."""

import re
import secrets
from enum import StrEnum

from msgspec import Struct

CALL_ID = re.compile(r"[a-zA-Z0-9_-]{16,64}")
HELD_MESSAGES = 256
HELD_BYTES = 256 * 1024


class State(StrEnum):
    """The state of a call; one that has ended has none."""

    RINGING = "ringing"
    ACTIVE = "active"


class Role(StrEnum):
    """The part of a client in a call."""

    CALLER = "caller"
    CALLEE = "callee"


class Action(StrEnum):
    """A change of a call that a client asks for."""

    ANSWER = "answer"
    REJECT = "reject"
    CLOSE = "close"


class EndReason(StrEnum):
    """The server's own reasons in `CALL_ENDED`."""

    TIMEOUT = "timeout"
    PEER_DISCONNECTED = "peer_disconnected"
    OPERATOR = "operator"
    # The caller placed another call to the same client, and could not end this one, whose ID it was never told.
    REPLACED = "replaced"


# The states and roles in which an action is allowed, and the state that follows; None: the call is gone.
TRANSITIONS: dict[Action, dict[tuple[State, Role], State | None]] = {
    Action.ANSWER: {(State.RINGING, Role.CALLEE): State.ACTIVE},
    Action.REJECT: {(State.RINGING, Role.CALLEE): None},
    Action.CLOSE: {
        (State.RINGING, Role.CALLER): None,
        (State.RINGING, Role.CALLEE): None,
        (State.ACTIVE, Role.CALLER): None,
        (State.ACTIVE, Role.CALLEE): None,
    },
}


class Leg(Struct, frozen=True, gc=False):
    """A call as one of its two participants sees it."""

    peer: str
    role: Role
    state: State


def new_call_id() -> str:
    """Make an unguessable call ID: 128 random bits, URL-safe."""
    return secrets.token_urlsafe(16)
