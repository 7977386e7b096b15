"""The handlers: one function for each client message, named after it, and the table that finds it.

A handler raises `ProtocolError` for what it refuses; the consumer makes an `ERROR` of it.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from msgspec import UNSET, UnsetType

from serving.contract import Rest
from signaling import publishing
from signaling.connections import peer, placing, registration
from signaling.connections.connection import Connection
from signaling.connections.legs import registered
from signaling.protocol import client_messages, server_messages
from signaling.protocol.calls import CALL_ID, Action, Leg, Role, State, new_call_id
from signaling.protocol.errors import (
    CallNotFoundError,
    InvalidMessageError,
    NotRegisteredError,
)
from signaling.protocol.fields import or_unset
from signaling.registry.rules import USED_CALL_ID
from signaling.telemetry.counters import BY_CLIENT, counters
from turn.ice import entries, ice_servers_for_call


def register(connection: Connection, message: client_messages.Register) -> Rest | None:
    """Register the connection under a client ID (PROTOCOL.md, "REGISTER")."""
    client_id = message.client_id
    if connection.client_id is None:
        return registration.register(connection, message)
    if connection.client_id != client_id:
        raise InvalidMessageError(
            "This connection is registered under another clientId; open a new connection for this one."
        )
    connection.reply(registered(client_id, connection.legs, lists_none=message.calls is True))
    return None


def heartbeat(connection: Connection, _message: client_messages.Heartbeat) -> None:
    """Reply `HEARTBEAT_ACK`; the consumer has noted that the client lives."""
    connection.reply(server_messages.HeartbeatAck())


def call_initiate(connection: Connection, message: client_messages.CallInitiate) -> Rest | None:
    """Open a call and ring the callee (PROTOCOL.md, "Calls")."""
    caller = _client_id_of(connection)
    if message.target_id == caller:
        raise InvalidMessageError("You cannot call yourself; use another targetId.")
    call_id = _chosen_or_new(message.call_id)
    if call_id in connection.legs:
        raise InvalidMessageError(USED_CALL_ID)
    incoming = server_messages.IncomingCall(call_id, caller, message.sdp_offer)
    incoming.check_size()
    connection.relay.room.check(len(message.sdp_offer))
    # Before Redis answers: whatever happens to the call from then on finds it here.
    connection.legs[call_id] = Leg(message.target_id, Role.CALLER, State.RINGING)
    return placing.place(connection, incoming, is_chosen=call_id == message.call_id)


def call_accept(connection: Connection, message: client_messages.CallAccept) -> Rest | None:
    """Answer a ringing call; of any number of accepts at once, one succeeds."""
    accepted = server_messages.CallAccepted(message.call_id, message.sdp_answer)
    accepted.check_size()
    return _advance(connection, message.call_id, Action.ANSWER, partial(_relay_answer, connection, accepted))


def _relay_answer(connection: Connection, accepted: server_messages.CallAccepted, leg: Leg) -> Rest | None:
    if accepted.call_id in connection.legs:
        connection.legs[accepted.call_id] = leg
    counters.calls_answered += 1
    accepted.ice_servers = counters.count_minted(ice_servers_for_call(leg.peer))
    return peer.relay_change(connection, leg, accepted)


def call_reject(connection: Connection, message: client_messages.CallReject) -> Rest | None:
    """Close a ringing call, as its callee."""
    return _advance(connection, message.call_id, Action.REJECT, partial(_relay_rejection, connection, message))


def _relay_rejection(connection: Connection, message: client_messages.CallReject, leg: Leg) -> Rest | None:
    connection.legs.pop(message.call_id, None)
    connection.relay.proofs.forget(connection, message.call_id)
    counters.calls_rejected += 1
    rejected = server_messages.CallRejected(message.call_id, or_unset(message.reason))
    return peer.relay_change(connection, leg, rejected)


def call_end(connection: Connection, message: client_messages.CallEnd) -> Rest | None:
    """Close a call, ringing or active."""
    return _advance(connection, message.call_id, Action.CLOSE, partial(_relay_end, connection, message))


def _relay_end(connection: Connection, message: client_messages.CallEnd, leg: Leg) -> Rest | None:
    connection.legs.pop(message.call_id, None)
    connection.relay.copies.free(connection, message.call_id)
    connection.relay.proofs.forget(connection, message.call_id)
    counters.calls_ended[BY_CLIENT] += 1
    return peer.relay_change(connection, leg, server_messages.CallEnded(message.call_id, or_unset(message.reason)))


def ice_candidate(connection: Connection, message: client_messages.IceCandidate) -> None:
    """Relay a candidate to the peer as it came; the connection knows its calls, so the registry is not asked."""
    call_id = message.call_id
    leg = connection.legs.get(call_id)
    if leg is None:
        raise CallNotFoundError
    peer.relay(connection, leg, server_messages.PeerIceCandidate(call_id, message.candidate))


def turn_credentials(connection: Connection, _message: client_messages.TurnCredentials) -> None:
    """Mint fresh credentials for a client that stays connected for longer than its last ones are valid."""
    servers, expires_at = entries(_client_id_of(connection))
    connection.reply(server_messages.FreshTurnCredentials(counters.count_minted(servers), expires_at))


# One that returns nothing to await has handled its message.
Handler = Callable[[Connection, Any], Rest | None]
HANDLERS: dict[type[client_messages.ClientMessage], Handler] = {
    client_messages.Register: register,
    client_messages.Heartbeat: heartbeat,
    client_messages.CallInitiate: call_initiate,
    client_messages.CallAccept: call_accept,
    client_messages.CallReject: call_reject,
    client_messages.CallEnd: call_end,
    client_messages.IceCandidate: ice_candidate,
    client_messages.PkdRegister: publishing.pkd_register,
    client_messages.PkdLookup: publishing.pkd_lookup,
    client_messages.TurnCredentials: turn_credentials,
}


def _client_id_of(connection: Connection) -> str:
    if connection.client_id is None:
        raise NotRegisteredError
    return connection.client_id


def _chosen_or_new(chosen: str | UnsetType | None) -> str:
    """Return the call ID that a client chose, or make one; raises `InvalidMessageError` for a malformed one."""
    if chosen is None or chosen is UNSET:
        return new_call_id()
    if not CALL_ID.fullmatch(chosen):
        raise InvalidMessageError(
            "A callId has 16 to 64 letters, digits, hyphens or underscores; choose another, or leave it out."
        )
    return chosen


def _advance(connection: Connection, call_id: str, action: Action, then: Callable[[Leg], Rest | None]) -> Rest | None:
    """Apply the client's action to a call, and go on with its leg: now, or once the registry has answered."""
    client_id = _client_id_of(connection)
    steps = connection.relay.registry.at_once
    if steps is not None:
        return then(steps.advance_at_once(call_id, client_id, action))
    return _go_on(peer.advance(connection, call_id, client_id, action), then)


async def _go_on(step: Awaitable[Leg], then: Callable[[Leg], Rest | None]) -> None:
    rest = then(await step)
    if rest is not None:
        await rest
