"""The messages of clients: each is one struct; its handler stands in `handlers.py`."""

from typing import ClassVar

from msgspec import UNSET, Struct, UnsetType

from pkd.keys import ClientId, PublicKey
from signaling.protocol.fields import (
    AddedFlag,
    AddedSignatures,
    AddedText,
    After,
    CallId,
    Candidate,
    Reason,
    SessionDescription,
    Size,
)

# What the JSON of an opaque field starts with: a string; a string, an object or `null`.
A_STRING, A_CANDIDATE = b'"', b'"{n'


class ClientMessage(Struct, rename="camel", gc=False):
    """A message from a client: its type, and the fields of its payload."""

    type: ClassVar[str] = ""
    # What an ERROR says when the payload is not what the type needs.
    usage: ClassVar[str] = ""
    # A field that is relayed as it came, and what its JSON may start with.
    opaque: ClassVar[tuple[str, bytes] | None] = None


class Register(ClientMessage):
    """Associate a client ID with this connection; with a signature, if it belongs to a key (TRUST.md, "REGISTER")."""

    type = "REGISTER"
    usage = "REGISTER needs a clientId of 1 to 64 letters, digits, hyphens or underscores."
    client_id: ClientId
    challenge: AddedText = UNSET
    signature: AddedText = UNSET
    # Whether `REGISTERED` is to list no calls as well: a server that lists none otherwise may be one that never does.
    calls: AddedFlag = UNSET


class Heartbeat(ClientMessage):
    """Say that the client is alive."""

    type = "HEARTBEAT"
    usage = "HEARTBEAT takes no payload, null or an object."


class CallInitiate(ClientMessage):
    """Call another client."""

    type = "CALL_INITIATE"
    usage = (
        "CALL_INITIATE needs a targetId (a client ID) and an sdpOffer (a string that is not empty); "
        "its callId is optional, a string."
    )
    opaque = ("sdp_offer", A_STRING)
    target_id: ClientId
    sdp_offer: SessionDescription
    call_id: CallId | UnsetType | None = UNSET


class CallAccept(ClientMessage):
    """Accept an incoming call."""

    type = "CALL_ACCEPT"
    usage = "CALL_ACCEPT needs a callId (a string) and an sdpAnswer (a string that is not empty)."
    opaque = ("sdp_answer", A_STRING)
    call_id: str
    sdp_answer: SessionDescription


class CallReject(ClientMessage):
    """Reject an incoming call."""

    type = "CALL_REJECT"
    usage = "CALL_REJECT needs a callId (a string); its reason is optional, up to 64 characters."
    call_id: str
    reason: Reason | UnsetType | None = UNSET


class CallEnd(ClientMessage):
    """End a call, ringing or active."""

    type = "CALL_END"
    usage = "CALL_END needs a callId (a string); its reason is optional, up to 64 characters."
    call_id: str
    reason: Reason | UnsetType | None = UNSET


class IceCandidate(ClientMessage):
    """A candidate for the peer; `""` or `null` ends them. The server relays it as it came."""

    type = "ICE_CANDIDATE"
    usage = "ICE_CANDIDATE needs a callId (a string) and a candidate (a string, an object or null)."
    opaque = ("candidate", A_CANDIDATE)
    call_id: str
    candidate: Candidate


class PkdRegister(ClientMessage):
    """Publish this client's public key; with a statement, if the client ID belongs to a key, or is to."""

    type = "PKD_REGISTER"
    usage = "PKD_REGISTER needs your own clientId and a publicKey (a string that is not empty)."
    client_id: ClientId
    # `null` is for a statement that publishes none.
    public_key: PublicKey | None
    statement: AddedText = UNSET
    signatures: AddedSignatures = UNSET
    after: After = UNSET
    size: Size = UNSET


class PkdLookup(ClientMessage):
    """Ask for a client's public key; with `after`, for its statements from that `seq` on, and for proofs."""

    type = "PKD_LOOKUP"
    usage = "PKD_LOOKUP needs a clientId of 1 to 64 letters, digits, hyphens or underscores."
    client_id: ClientId
    after: After = UNSET
    size: Size = UNSET


class TurnCredentials(ClientMessage):
    """Ask for fresh TURN credentials."""

    type = "TURN_CREDENTIALS"
    usage = "TURN_CREDENTIALS takes no payload, null or an object."


CLIENT_MESSAGES: dict[str, type[ClientMessage]] = {message.type: message for message in ClientMessage.__subclasses__()}
