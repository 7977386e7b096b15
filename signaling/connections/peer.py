"""Relays a connection's messages to the peer of a call: those that change nothing, and changes of the call."""

import asyncio
import time
from functools import partial

from signaling.connections.connection import Connection
from signaling.delivery.events import changing, relayed
from signaling.protocol.calls import Leg, State
from signaling.protocol.errors import CallNotFoundError, ProtocolError
from signaling.protocol.server_messages import CallAccepted, CallEnded, CallMessage, CallRejected, IncomingCall
from signaling.telemetry.counters import counters


def relay(connection: Connection, leg: Leg, message: CallMessage) -> None:
    """Relay a message that changes no call, or have it held; refuse it to its sender where neither is possible."""
    outcome = connection.relay.post(leg.peer, relayed(message), connection.owner.channel)
    if outcome is not None:
        outcome.add_done_callback(partial(_report, connection, message, connection.received_at))
    elif counters.hop.budget:
        counters.hop.observe(time.monotonic() - connection.received_at)


async def ring(connection: Connection, leg: Leg, caller: str, message: IncomingCall) -> bool:
    """Relay a call of `caller` to its callee, where it rings; returns False when the callee is gone."""
    event = changing(message, message.call_id, State.RINGING, caller)
    is_ringing = await connection.relay.send(leg.peer, event, connection.owner.channel)
    if is_ringing:
        counters.hop.observe(time.monotonic() - connection.received_at)
    return is_ringing


async def relay_change(connection: Connection, leg: Leg, message: CallAccepted | CallRejected | CallEnded) -> None:
    """Relay to the peer that a call was answered or ended; while Redis is away, when it is back."""
    state = State.ACTIVE if isinstance(message, CallAccepted) else None
    event = changing(message, message.call_id, state, "")
    await connection.relay.deliver_later(leg.peer, event, connection.owner.channel)
    counters.hop.observe(time.monotonic() - connection.received_at)


def _report(connection: Connection, message: CallMessage, received_at: float, outcome: "asyncio.Future[bool]") -> None:
    """Count the hop of a message that arrived or is held, or refuse it to the client that sent it."""
    error = outcome.exception()
    if error is None and outcome.result():
        counters.hop.observe(time.monotonic() - received_at)
        return
    refusal = error if isinstance(error, ProtocolError) else CallNotFoundError()
    # Such a message has the type of the request that it relays.
    connection.refuse(refusal, message.type, message.call_id)
