"""Relays a connection's messages to the peer of a call: those that change nothing, and changes of the call."""

import asyncio
import time
from functools import partial

from serving.contract import Rest
from signaling.connections.connection import Connection
from signaling.connections.relay import Outcome
from signaling.delivery.events import Event, changing, relayed
from signaling.protocol.calls import Action, Leg, Role, State
from signaling.protocol.errors import CallNotFoundError, ProtocolError, UnavailableError
from signaling.protocol.server_messages import CallAccepted, CallEnded, CallMessage, CallRejected
from signaling.registry.contract import CallLostError
from signaling.telemetry.counters import counters

# Asked for with each message: before Python 3.12 to look up a member of an enum is a call.
RINGING, CALLER = State.RINGING, Role.CALLER


async def advance(connection: Connection, call_id: str, client_id: str, action: Action) -> Leg:
    """Apply the client's action to a call in a registry that has to be asked; see `Registry.advance`."""
    try:
        return await connection.registry.advance(call_id, client_id, action)
    except CallLostError:
        if call_id not in connection.legs:
            raise
        # Its connections know it: it is restored by the time that the client tries again.
        connection.registry.note_loss()
        raise UnavailableError from None


def relay(connection: Connection, leg: Leg, message: CallMessage) -> None:
    """Relay a message that changes no call, or have it held; refuse it to its sender where neither is possible."""
    event = relayed(message)
    is_delivered = connection.relay.deliver(leg.peer, event)
    if leg.state is RINGING and leg.role is CALLER:
        connection.relay.copies.keep_candidate(connection, message.call_id, event["frame"])
    if not is_delivered:
        # Without a future: its callback would be a step of the event loop for each message.
        report = partial(_report, connection, message, event["frame"], connection.received_at)
        connection.relay.put(leg.peer, event, report, connection.owner.channel)
    elif counters.hop.budget:
        counters.hop.observe(time.monotonic() - connection.received_at)


def relay_change(connection: Connection, leg: Leg, message: CallAccepted | CallRejected | CallEnded) -> Rest | None:
    """Relay to the peer that a call was answered or ended; while Redis is away, when it is back."""
    state = State.ACTIVE if isinstance(message, CallAccepted) else None
    event = changing(message, message.call_id, state, "")
    outcome = connection.relay.post(leg.peer, event, connection.owner.channel)
    if outcome is not None:
        return _see_through(connection, leg.peer, event, outcome)
    if counters.hop.budget:
        counters.hop.observe(time.monotonic() - connection.received_at)
    return None


async def _see_through(connection: Connection, client_id: str, event: Event, outcome: "asyncio.Future[bool]") -> None:
    await connection.relay.see_through(client_id, event, outcome)
    counters.hop.observe(time.monotonic() - connection.received_at)


def _report(connection: Connection, message: CallMessage, frame: str, received_at: float, outcome: Outcome) -> None:
    """Count the hop of a message that arrived or is held, or have it refused to the client that sent it."""
    if outcome is not True:
        refusal = outcome if isinstance(outcome, ProtocolError) else CallNotFoundError()
        # By itself: the next report is another client's.
        asyncio.get_running_loop().call_soon(_refuse, connection, message, frame, refusal)
    elif counters.hop.budget:
        counters.hop.observe(time.monotonic() - received_at)


def _refuse(connection: Connection, message: CallMessage, frame: str, refusal: ProtocolError) -> None:
    """Refuse a relayed message to the client that sent it, which sends it again."""
    connection.relay.copies.drop_candidate(connection, message.call_id, frame)
    # Such a message has the type of the request that it relays.
    connection.refuse(refusal, message.type, message.call_id)
