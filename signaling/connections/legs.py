"""The open calls of one client, as its connection knows them: what a message does to them, and how they are listed."""

from collections.abc import Mapping

import msgspec
from msgspec import UNSET

from signaling.delivery.events import GONE
from signaling.protocol.calls import Leg, Role, State
from signaling.protocol.fields import MAX_FRAME_BYTES, bytes_of
from signaling.protocol.listed import RegisteredCall
from signaling.protocol.server_messages import Registered
from signaling.telemetry.counters import counters
from turn.ice import ice_servers

# Asked for with each call: to make a member of an enum of its value, and before Python 3.12 to look one up, is a call.
STATES = {state.value: state for state in State}
RINGING, CALLER, CALLEE = State.RINGING, Role.CALLER, Role.CALLEE

# A frame has room for this many at least.
FEW_CALLS = 100


def follow(legs: dict[str, Leg], call_id: str, state: str, peer: str) -> None:
    """Move the call `call_id` to `state`: it rings here, placed by `peer`; or it was answered; or it is gone."""
    if state == GONE:
        legs.pop(call_id, None)
    elif state == RINGING:
        legs[call_id] = Leg(peer, CALLEE, RINGING)
    elif call_id in legs:
        known = legs[call_id]
        legs[call_id] = Leg(known.peer, known.role, STATES[state])


def ringing_here(legs: Mapping[str, Leg]) -> set[str]:
    """Return the IDs of the calls that ring at the client, as their callee."""
    return {call_id for call_id, leg in legs.items() if leg.state is RINGING and leg.role is CALLEE}


def rings_elsewhere(legs: Mapping[str, Leg]) -> set[str]:
    """Return the IDs of the calls that the client has placed and that ring."""
    return {call_id for call_id, leg in legs.items() if leg.state is RINGING and leg.role is CALLER}


def registered(client_id: str, legs: Mapping[str, Leg], *, lists_none: bool = False) -> Registered:
    """Make the answer to a client that registers, with its calls and fresh credentials.

    Where it has none, they are left out; with `lists_none` the list is there and empty.
    """
    calls = [RegisteredCall(call_id, leg.peer, leg.role, leg.state) for call_id, leg in legs.items()]
    answer = Registered(client_id, counters.count_minted(ice_servers(client_id)), calls or UNSET)
    if len(calls) > FEW_CALLS:
        answer.calls = _fitting(calls, bytes_of(answer.encode()) - MAX_FRAME_BYTES)
    elif lists_none:
        answer.calls = calls
    return answer


def _fitting(calls: list[RegisteredCall], excess: int) -> list[RegisteredCall]:
    """Return the calls without so many that the frame is `excess` bytes shorter.

    Anybody may ring here, and so often. What rings is left out first, as it rings again right after the answer.
    """
    fitting = sorted(calls, key=lambda call: (call.role, call.state) == (CALLEE, RINGING))
    while excess > 0 and fitting:
        excess -= len(msgspec.json.encode(fitting.pop())) + len(",")
    return fitting
