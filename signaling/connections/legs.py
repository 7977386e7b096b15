"""The open calls of one client, as its connection knows them: what a message that reaches the client does to them."""

from signaling.delivery.events import GONE
from signaling.protocol.calls import Leg, Role, State


def follow(legs: dict[str, Leg], call_id: str, state: str, peer: str) -> None:
    """Move the call `call_id` to `state`: it rings here, placed by `peer`; or it was answered; or it is gone."""
    if state == GONE:
        legs.pop(call_id, None)
    elif state == State.RINGING:
        legs[call_id] = Leg(peer, Role.CALLEE, State.RINGING)
    elif call_id in legs:
        known = legs[call_id]
        legs[call_id] = Leg(known.peer, known.role, State(state))
