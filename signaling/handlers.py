"""One function per client message, named after it, and the table that finds it."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from msgspec import UNSET

from pkd import directory, keys
from signaling.connections import peer
from signaling.connections.connection import Connection
from signaling.protocol.calls import CALL_ID, Action, Leg, Role, State, new_call_id
from signaling.protocol.client_messages import (
    CallAccept,
    CallEnd,
    CallInitiate,
    CallReject,
    ClientMessage,
    Heartbeat,
    IceCandidate,
    PkdLookup,
    PkdRegister,
    Register,
    TurnCredentials,
)
from signaling.protocol.errors import (
    CallNotFoundError,
    InvalidMessageError,
    NotRegisteredError,
    ProtocolError,
    TargetNotFoundError,
    UnavailableError,
)
from signaling.protocol.fields import or_unset
from signaling.protocol.server_messages import (
    CallAccepted,
    CallEnded,
    CallRejected,
    FreshTurnCredentials,
    HeartbeatAck,
    IncomingCall,
    PeerIceCandidate,
    PkdResult,
    Registered,
)
from signaling.registry.rules import USED_CALL_ID
from signaling.telemetry.counters import BY_CLIENT, FOUND, MISSING, UNCHANGED, counters
from turn.ice import expiry, ice_servers, ice_servers_until


async def register(connection: Connection, message: Register) -> None:
    """Associate a client ID with the connection (PROTOCOL.md, "REGISTER")."""
    if connection.client_id is None:
        await connection.register(message.client_id)
    elif connection.client_id == message.client_id:
        connection.reply(Registered(message.client_id, counters.count_minted(ice_servers(message.client_id))))
    else:
        raise InvalidMessageError(
            "This connection is registered under another clientId; open a new connection for this one."
        )


async def heartbeat(connection: Connection, _message: Heartbeat) -> None:
    """Answer a heartbeat; that it came was all it had to say."""
    connection.reply(HeartbeatAck())


async def call_initiate(connection: Connection, message: CallInitiate) -> None:
    """Open a call and let it ring at the callee (PROTOCOL.md, "Calls")."""
    caller = _client_id_of(connection)
    if message.target_id == caller:
        raise InvalidMessageError("You cannot call yourself; use another targetId.")
    chosen = or_unset(message.call_id)
    call_id = new_call_id() if chosen is UNSET else chosen
    if not CALL_ID.fullmatch(call_id):
        raise InvalidMessageError(
            "A callId has 16 to 64 letters, digits, hyphens or underscores; choose another, or leave it out."
        )
    if call_id in connection.legs:
        raise InvalidMessageError(USED_CALL_ID)
    incoming = IncomingCall(call_id, caller, message.sdp_offer)
    incoming.check_size()
    # Before Redis answers: whatever happens to the call from then on finds it here.
    leg = connection.legs[call_id] = Leg(message.target_id, Role.CALLER, State.RINGING)
    try:
        await connection.registry.open_call(call_id, caller, message.target_id)
    except ProtocolError:
        connection.legs.pop(call_id, None)
        raise
    incoming.ice_servers = counters.count_minted(ice_servers(message.target_id))
    try:
        is_ringing = await peer.ring(connection, leg, caller, incoming)
    except ProtocolError:
        await _withdraw(connection, call_id)
        raise
    if not is_ringing:
        await _withdraw(connection, call_id)
        raise TargetNotFoundError
    counters.calls_opened += 1


async def call_accept(connection: Connection, message: CallAccept) -> None:
    """Answer a ringing call; of any number of accepts exactly one wins."""
    call_id = message.call_id
    accepted = CallAccepted(call_id, message.sdp_answer)
    accepted.check_size()
    leg = await connection.registry.advance(call_id, _client_id_of(connection), Action.ANSWER)
    if call_id in connection.legs:
        connection.legs[call_id] = leg
    counters.calls_answered += 1
    accepted.ice_servers = counters.count_minted(ice_servers(leg.peer))
    await peer.relay_change(connection, leg, accepted)


async def call_reject(connection: Connection, message: CallReject) -> None:
    """Reject a ringing call; it is gone."""
    leg = await connection.registry.advance(message.call_id, _client_id_of(connection), Action.REJECT)
    connection.legs.pop(message.call_id, None)
    counters.calls_rejected += 1
    await peer.relay_change(connection, leg, CallRejected(message.call_id, or_unset(message.reason)))


async def call_end(connection: Connection, message: CallEnd) -> None:
    """End a call, ringing or active; it is gone."""
    leg = await connection.registry.advance(message.call_id, _client_id_of(connection), Action.CLOSE)
    connection.legs.pop(message.call_id, None)
    counters.calls_ended[BY_CLIENT] += 1
    await peer.relay_change(connection, leg, CallEnded(message.call_id, or_unset(message.reason)))


async def ice_candidate(connection: Connection, message: IceCandidate) -> None:
    """Relay a candidate to the peer, as it came; the connection knows its calls, so nobody is asked."""
    leg = connection.legs.get(message.call_id)
    if leg is None:
        raise CallNotFoundError
    peer.relay(connection, leg, PeerIceCandidate(message.call_id, message.candidate))


async def pkd_register(connection: Connection, message: PkdRegister) -> None:
    """Publish the client's own key; answered after the commit (PROTOCOL.md, "Public key directory")."""
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
    connection.reply(PkdResult(message.client_id, message.public_key))


async def pkd_lookup(connection: Connection, message: PkdLookup) -> None:
    """Look up a client's key, whether it is online or not."""
    connection.allowance.consume_lookup(time.monotonic())
    try:
        public_key = await directory.look_up(message.client_id)
    except directory.DirectoryUnavailableError:
        raise UnavailableError from None
    counters.key_lookups[MISSING if public_key is None else FOUND] += 1
    connection.reply(PkdResult(message.client_id, public_key))


async def turn_credentials(connection: Connection, _message: TurnCredentials) -> None:
    """Mint fresh credentials for a client that stays longer than the last ones are good for."""
    expires_at = expiry()
    servers = counters.count_minted(ice_servers_until(_client_id_of(connection), expires_at))
    connection.reply(FreshTurnCredentials(servers, expires_at))


HANDLERS: dict[type[ClientMessage], Callable[[Connection, Any], Awaitable[None]]] = {
    Register: register,
    Heartbeat: heartbeat,
    CallInitiate: call_initiate,
    CallAccept: call_accept,
    CallReject: call_reject,
    CallEnd: call_end,
    IceCandidate: ice_candidate,
    PkdRegister: pkd_register,
    PkdLookup: pkd_lookup,
    TurnCredentials: turn_credentials,
}

# What waits for threads or with a timeout, and so cannot do without a task of its own.
NEED_A_TASK = frozenset({Register, PkdRegister, PkdLookup})


def _client_id_of(connection: Connection) -> str:
    if connection.client_id is None:
        raise NotRegisteredError
    return connection.client_id


async def _withdraw(connection: Connection, call_id: str) -> None:
    connection.legs.pop(call_id, None)
    try:
        await connection.registry.advance(call_id, _client_id_of(connection), Action.CLOSE)
    except ProtocolError:
        # It is gone already, or Redis is; then it rings out.
        return
