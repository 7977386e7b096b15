"""Places a call: opens it in the registry, then rings its callee.

How it works
------------
Where the registry answers at once and the callee is connected here, all of it happens in the turn that read the
message. Otherwise what is left is a coroutine, and the caller's next message waits for it.
"""

import asyncio
import time

from serving.contract import Rest
from signaling.connections.connection import Connection
from signaling.delivery.events import changing
from signaling.protocol.calls import Action, EndReason, State
from signaling.protocol.errors import ProtocolError, TargetNotFoundError
from signaling.protocol.server_messages import IncomingCall
from signaling.registry.outcomes import Ended
from signaling.telemetry.counters import counters
from turn.ice import ice_servers_for_call


def place(connection: Connection, incoming: IncomingCall, *, is_chosen: bool) -> Rest | None:
    """Open a call of which the caller has a leg, and ring the callee; `is_chosen`: the caller chose its ID."""
    steps = connection.relay.registry.at_once
    if steps is None:
        connection.relay.placing.add(incoming.call_id)
        return _place_later(connection, incoming, is_chosen=is_chosen)
    callee = connection.legs[incoming.call_id].peer
    try:
        replaced = steps.open_call_at_once(incoming.call_id, incoming.caller_id, callee, is_chosen=is_chosen)
    except ProtocolError:
        connection.legs.pop(incoming.call_id, None)
        raise
    if replaced is not None:
        return _replace(connection, incoming, callee, replaced)
    return _ring(connection, incoming, callee)


async def _place_later(connection: Connection, incoming: IncomingCall, *, is_chosen: bool) -> None:
    callee = connection.legs[incoming.call_id].peer
    try:
        replaced = await connection.registry.open_call(
            incoming.call_id, incoming.caller_id, callee, is_chosen=is_chosen
        )
    except ProtocolError:
        connection.legs.pop(incoming.call_id, None)
        raise
    finally:
        connection.relay.placing.discard(incoming.call_id)
    rest = _ring(connection, incoming, callee) if replaced is None else _replace(connection, incoming, callee, replaced)
    if rest is not None:
        await rest


async def _replace(connection: Connection, incoming: IncomingCall, callee: str, replaced: str) -> None:
    """Tell the callee of the end of the call that this one replaces, then ring."""
    connection.legs.pop(replaced, None)
    connection.relay.copies.free(connection, replaced)
    await connection.relay.announce([Ended(replaced, EndReason.REPLACED, (callee,))])
    rest = _ring(connection, incoming, callee)
    if rest is not None:
        await rest


def _ring(connection: Connection, incoming: IncomingCall, callee: str) -> Rest | None:
    incoming.ice_servers = counters.count_minted(ice_servers_for_call(callee))
    event = changing(incoming, incoming.call_id, State.RINGING, incoming.caller_id)
    outcome = connection.relay.post(callee, event, connection.owner.channel)
    connection.relay.copies.keep_ring(connection, incoming.call_id, event["frame"])
    if outcome is not None:
        return _await_ring(connection, incoming.call_id, outcome)
    _count_ring(connection)
    return None


async def _await_ring(connection: Connection, call_id: str, outcome: "asyncio.Future[bool]") -> None:
    """Wait until the call rings; close it where it does not."""
    try:
        is_ringing = await outcome
    except ProtocolError:
        await _close(connection, call_id)
        raise
    if not is_ringing:
        await _close(connection, call_id)
        raise TargetNotFoundError
    _count_ring(connection)


def _count_ring(connection: Connection) -> None:
    counters.hop.observe(time.monotonic() - connection.received_at)
    counters.calls_opened += 1


async def _close(connection: Connection, call_id: str) -> None:
    connection.legs.pop(call_id, None)
    connection.relay.copies.free(connection, call_id)
    client_id = connection.client_id
    try:
        if client_id is not None:
            await connection.registry.advance(call_id, client_id, Action.CLOSE)
    except ProtocolError:
        # It is gone already, or Redis is; then it rings out.
        return
