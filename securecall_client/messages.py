"""Every message of the protocol as a typed value (docs/protocol.md).

Fields are the wire's in snake_case: `callId` is `call_id`. Optional fields that are absent are None. Fields that this
version does not know are ignored, and types that it does not know are `Unknown`: a later server may add both.

msgspec decodes into these structs and checks every field's type on the way, at the price of a plain `json.loads`;
it also holds the wire's spelling in one place (`rename`), which dataclasses leave to code of their own.
"""

from typing import Any

from msgspec import Struct

from securecall_client.parts import Candidate, IceServer, ListedStatement, OpenCall, StatementSignatures


class ClientMessage(Struct, rename="camel", omit_defaults=True):
    """A message to the server: its payload's fields."""


class ServerMessage(Struct, rename="camel", omit_defaults=True):
    """A message from the server: its payload's fields."""


# --- To the server -------------------------------------------------------------------------------


class Register(ClientMessage):
    """Register a client ID on this connection; answered with `Registered`."""

    client_id: str  # ^[a-zA-Z0-9_-]{1,64}$
    challenge: str | None = None  # for an ID that belongs to a key: of the last `Error`
    signature: str | None = None  # its owner's, over `statements.registration`
    calls: bool | None = None  # True: `Registered` lists the calls also where there are none


class Heartbeat(ClientMessage):
    """Tell the server that the client lives, every 30 s; answered with `HeartbeatAck`."""


class CallInitiate(ClientMessage):
    """Call another client, which receives `IncomingCall`; silent on success."""

    target_id: str
    sdp_offer: str  # opaque, not empty
    call_id: str | None = None  # ^[a-zA-Z0-9_-]{16,64}$, unguessable; without one the server makes it


class CallAccept(ClientMessage):
    """Accept a ringing call, whose caller receives `CallAccepted`; silent on success."""

    call_id: str
    sdp_answer: str  # opaque, not empty


class CallReject(ClientMessage):
    """Reject a ringing call, whose caller receives `CallRejected`; silent on success."""

    call_id: str
    reason: str | None = None  # up to 64 characters, passed on to the caller


class CallEnd(ClientMessage):
    """End a call, ringing or active; the peer receives `CallEnded`; silent on success."""

    call_id: str
    reason: str | None = None  # up to 64 characters, passed on to the peer


class PkdRegister(ClientMessage):
    """Publish this client's public key; answered with `PkdResult` once it is stored."""

    client_id: str  # the connection's own, but with a statement
    public_key: str | None  # opaque; None with a statement that publishes none
    statement: str | None = None  # says to which key the ID belongs
    signatures: StatementSignatures | None = None
    after: int | None = None  # as in `PkdLookup`
    size: int | None = None  # likewise


class PkdLookup(ClientMessage):
    """Look up a client's public key; answered with `PkdResult`."""

    client_id: str
    after: int | None = None  # the `seq` of the statement that is known, -1 of none: asks for the statements too
    size: int | None = None  # with `after`: of the kept tree of the public log, 0 without one


class TurnCredentialsRequest(ClientMessage):
    """Ask for fresh TURN credentials; answered with `TurnCredentials`."""


# --- From the server -----------------------------------------------------------------------------


class Registered(ServerMessage):
    """The client ID is registered on this connection; what waited for it follows."""

    client_id: str
    ice_servers: list[IceServer]
    # None: there are none, or the server lists none, as release 0.1.0; with `Register.calls` the latter.
    calls: list[OpenCall] | None = None


class HeartbeatAck(ServerMessage):
    """The answer to `Heartbeat`."""


class IncomingCall(ServerMessage):
    """A call rings at this client. A `Connection` may hear it again, with the same `call_id`, after an earlier one."""

    call_id: str
    caller_id: str
    sdp_offer: str
    ice_servers: list[IceServer] = []  # empty also where the offer left no room: use those of `Registered`


class CallAccepted(ServerMessage):
    """The callee accepted this client's call."""

    call_id: str
    sdp_answer: str
    ice_servers: list[IceServer] = []  # as in `IncomingCall`


class CallRejected(ServerMessage):
    """The callee rejected this client's call, which is gone."""

    call_id: str
    reason: str | None = None


class CallEnded(ServerMessage):
    """The peer or the server ended the call, which is gone.

    The server's own reasons are "timeout", "peer_disconnected", "replaced" and "operator"; a peer may write them too.
    """

    call_id: str
    reason: str | None = None


class PkdResult(ServerMessage):
    """A client's public key; None without one, or where it was revoked."""

    client_id: str
    public_key: str | None
    directory: str | None = None  # this and what follows only where `after` was asked, or a statement sent
    status: str | None = None  # "signed", "unsigned", "revoked", "released" or "erased"
    statements: list[ListedStatement] | None = None
    released_at: int | None = None  # unix milliseconds
    proof: dict[str, Any] | None = None  # where the server has a public log, for `transparency.check`


class TurnCredentials(ServerMessage):
    """Fresh TURN credentials."""

    ice_servers: list[IceServer]
    expires_at: int  # unix seconds


class Error(ServerMessage):
    """A request failed; the connection stays."""

    code: str  # one of `ErrorCode`
    message: str = ""  # an English sentence that says what to do; for people, so that its absence stops nothing
    request: str | None = None  # the wire's type of the message that failed
    call_id: str | None = None  # the call that it named
    retry_after_ms: int | None = None  # with RATE_LIMITED
    challenge: str | None = None  # with NOT_REGISTERED, for an ID that belongs to a key


class Unknown(ServerMessage):
    """A message of a type that this version does not know."""

    type: str


# --- Either way ----------------------------------------------------------------------------------


class IceCandidate(ClientMessage, ServerMessage):
    """A candidate for the peer of a call, or from it; silent on success."""

    call_id: str
    candidate: Candidate
