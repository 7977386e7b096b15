"""The handlers: one function for each client message, named after it, and the table that finds it.

A handler raises `ProtocolError` for what it refuses; the consumer makes an `ERROR` of it.
"""

import time
from collections.abc import Callable, Coroutine
from typing import Any

from django.conf import settings
from msgspec import UNSET, UnsetType

from pkd import directory, keys
from signaling.connections import peer
from signaling.connections.connection import Connection
from signaling.connections.legs import registered
from signaling.protocol import client_messages, server_messages
from signaling.protocol.calls import CALL_ID, Action, EndReason, Leg, Role, State, new_call_id
from signaling.protocol.errors import (
    CallNotFoundError,
    InvalidMessageError,
    NotRegisteredError,
    ProtocolError,
    TargetNotFoundError,
    UnavailableError,
)
from signaling.protocol.fields import or_unset
from signaling.registry.contract import Ended
from signaling.registry.rules import USED_CALL_ID
from signaling.telemetry.counters import BY_CLIENT, FOUND, MISSING, UNCHANGED, counters
from turn.ice import expiry, ice_servers_for_call, ice_servers_until


async def register(connection: Connection, message: client_messages.Register) -> None:
    """Register the connection under a client ID (PROTOCOL.md, "REGISTER")."""
    if connection.client_id is None:
        await connection.register(message.client_id)
    elif connection.client_id == message.client_id:
        connection.reply(registered(message.client_id, connection.legs))
    else:
        raise InvalidMessageError(
            "This connection is registered under another clientId; open a new connection for this one."
        )


def heartbeat(connection: Connection, _message: client_messages.Heartbeat) -> None:
    """Reply `HEARTBEAT_ACK`; the consumer has noted that the client lives."""
    connection.reply(server_messages.HeartbeatAck())


async def call_initiate(connection: Connection, message: client_messages.CallInitiate) -> None:
    """Open a call and ring the callee (PROTOCOL.md, "Calls")."""
    caller = _client_id_of(connection)
    if message.target_id == caller:
        raise InvalidMessageError("You cannot call yourself; use another targetId.")
    call_id = _chosen_or_new(message.call_id)
    if call_id in connection.legs:
        raise InvalidMessageError(USED_CALL_ID)
    incoming = server_messages.IncomingCall(call_id, caller, message.sdp_offer)
    incoming.check_size()
    # Before Redis answers: whatever happens to the call from then on finds it here.
    leg = connection.legs[call_id] = Leg(message.target_id, Role.CALLER, State.RINGING)
    is_chosen = call_id == message.call_id
    try:
        replaced = await connection.registry.open_call(call_id, caller, message.target_id, is_chosen=is_chosen)
    except ProtocolError:
        connection.legs.pop(call_id, None)
        raise
    if replaced is not None:
        connection.legs.pop(replaced, None)
        await connection.relay.announce([Ended(replaced, EndReason.REPLACED, (message.target_id,))])
    incoming.ice_servers = counters.count_minted(ice_servers_for_call(message.target_id))
    try:
        is_ringing = await peer.ring(connection, leg, caller, incoming)
    except ProtocolError:
        await _close(connection, call_id)
        raise
    if not is_ringing:
        await _close(connection, call_id)
        raise TargetNotFoundError
    counters.calls_opened += 1


async def call_accept(connection: Connection, message: client_messages.CallAccept) -> None:
    """Answer a ringing call; of any number of accepts at once, one succeeds."""
    call_id = message.call_id
    accepted = server_messages.CallAccepted(call_id, message.sdp_answer)
    accepted.check_size()
    leg = await connection.registry.advance(call_id, _client_id_of(connection), Action.ANSWER)
    if call_id in connection.legs:
        connection.legs[call_id] = leg
    counters.calls_answered += 1
    accepted.ice_servers = counters.count_minted(ice_servers_for_call(leg.peer))
    await peer.relay_change(connection, leg, accepted)


async def call_reject(connection: Connection, message: client_messages.CallReject) -> None:
    """Close a ringing call, as its callee."""
    leg = await connection.registry.advance(message.call_id, _client_id_of(connection), Action.REJECT)
    connection.legs.pop(message.call_id, None)
    counters.calls_rejected += 1
    await peer.relay_change(connection, leg, server_messages.CallRejected(message.call_id, or_unset(message.reason)))


async def call_end(connection: Connection, message: client_messages.CallEnd) -> None:
    """Close a call, ringing or active."""
    leg = await connection.registry.advance(message.call_id, _client_id_of(connection), Action.CLOSE)
    connection.legs.pop(message.call_id, None)
    counters.calls_ended[BY_CLIENT] += 1
    await peer.relay_change(connection, leg, server_messages.CallEnded(message.call_id, or_unset(message.reason)))


def ice_candidate(connection: Connection, message: client_messages.IceCandidate) -> None:
    """Relay a candidate to the peer as it came; the connection knows its calls, so the registry is not asked."""
    leg = connection.legs.get(message.call_id)
    if leg is None:
        raise CallNotFoundError
    peer.relay(connection, leg, server_messages.PeerIceCandidate(message.call_id, message.candidate))


async def pkd_register(connection: Connection, message: client_messages.PkdRegister) -> None:
    """Publish the client's own key, and reply after the commit (PROTOCOL.md, "Public key directory")."""
    if problem := keys.problem(message.public_key, settings.LIMITS.public_key_bytes):
        raise InvalidMessageError(problem)
    if message.client_id != connection.client_id:
        raise NotRegisteredError("You can publish a key only for the clientId that you are registered under.")
    connection.allowance.consume_register(time.monotonic())
    try:
        kind = await directory.publish(message.client_id, message.public_key)
    except directory.KeyFrozenError:
        raise InvalidMessageError("Ask an operator if your key has to change: this key is frozen.") from None
    except directory.KeyRevokedError:
        raise InvalidMessageError("This key was revoked by an operator; publish a new one.") from None
    except directory.DirectoryUnavailableError:
        raise UnavailableError from None
    counters.key_publications[UNCHANGED if kind is None else kind.value] += 1
    connection.reply(server_messages.PkdResult(message.client_id, message.public_key))


async def pkd_lookup(connection: Connection, message: client_messages.PkdLookup) -> None:
    """Look up the key of a client, which may be offline."""
    connection.allowance.consume_lookup(time.monotonic())
    try:
        public_key = await directory.look_up(message.client_id)
    except directory.DirectoryUnavailableError:
        raise UnavailableError from None
    counters.key_lookups[MISSING if public_key is None else FOUND] += 1
    connection.reply(server_messages.PkdResult(message.client_id, public_key))


def turn_credentials(connection: Connection, _message: client_messages.TurnCredentials) -> None:
    """Mint fresh credentials for a client that stays connected for longer than its last ones are valid."""
    expires_at = expiry()
    servers = counters.count_minted(ice_servers_until(_client_id_of(connection), expires_at))
    connection.reply(server_messages.FreshTurnCredentials(servers, expires_at))


# One that returns nothing to await has handled its message.
Handler = Callable[[Connection, Any], Coroutine[Any, Any, None] | None]
HANDLERS: dict[type[client_messages.ClientMessage], Handler] = {
    client_messages.Register: register,
    client_messages.Heartbeat: heartbeat,
    client_messages.CallInitiate: call_initiate,
    client_messages.CallAccept: call_accept,
    client_messages.CallReject: call_reject,
    client_messages.CallEnd: call_end,
    client_messages.IceCandidate: ice_candidate,
    client_messages.PkdRegister: pkd_register,
    client_messages.PkdLookup: pkd_lookup,
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


async def _close(connection: Connection, call_id: str) -> None:
    """Close a call that does not ring after all."""
    connection.legs.pop(call_id, None)
    try:
        await connection.registry.advance(call_id, _client_id_of(connection), Action.CLOSE)
    except ProtocolError:
        # It is gone already, or Redis is; then it rings out.
        return
