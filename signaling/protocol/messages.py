"""Every message of the protocol: decoded from frames, encoded to frames (PROTOCOL.md, "Frames").

Session descriptions and candidates are opaque: they are checked to be JSON of the right kind and kept
as the very bytes that came.
"""

import itertools
import math
import re
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType
from msgspec.structs import replace

from pkd import keys
from pkd.keys import ClientId, PublicKey
from signaling.protocol.calls import CALL_ID
from signaling.protocol.errors import ErrorCode, InvalidMessageError, ProtocolError

T = TypeVar("T")

MAX_FRAME_BYTES = keys.MAX_FRAME_BYTES
# How deep the decoder goes depends on Python's version; this does not, and is less.
MAX_NESTING = 256
# What a client may name in a request and find again in the ERROR for it.
MAX_ECHO_CHARACTERS = 64

Reason = Annotated[str, Meta(max_length=64)]
# What a JSON schema says of these, `decode_payload` and the handlers check, who have a better sentence for it.
CallId = Annotated[str, Meta(extra_json_schema={"pattern": rf"^{CALL_ID.pattern}\Z"})]
SessionDescription = Annotated[Raw, Meta(extra_json_schema={"type": "string", "minLength": 1})]
Candidate = Annotated[Raw, Meta(extra_json_schema={"type": ["string", "object", "null"]})]


class ClientMessage(Struct, rename="camel", gc=False):
    """A message from a client; its payload's fields."""

    usage: ClassVar[str] = ""


class Register(ClientMessage):
    """Associate a client ID with this connection."""

    usage = "REGISTER needs a clientId of 1 to 64 letters, digits, hyphens or underscores."
    client_id: ClientId


class Heartbeat(ClientMessage):
    """Say that the client is alive."""

    usage = "HEARTBEAT takes no payload, null or an object."


class CallInitiate(ClientMessage):
    """Call another client."""

    usage = (
        "CALL_INITIATE needs a targetId (a client ID) and an sdpOffer (a string that is not empty); "
        "its callId is optional, a string."
    )
    target_id: ClientId
    sdp_offer: SessionDescription
    call_id: CallId | UnsetType | None = UNSET


class CallAccept(ClientMessage):
    """Accept an incoming call."""

    usage = "CALL_ACCEPT needs a callId (a string) and an sdpAnswer (a string that is not empty)."
    call_id: str
    sdp_answer: SessionDescription


class CallReject(ClientMessage):
    """Reject an incoming call."""

    usage = "CALL_REJECT needs a callId (a string); its reason is optional, up to 64 characters."
    call_id: str
    reason: Reason | UnsetType | None = UNSET


class CallEnd(ClientMessage):
    """End a call, ringing or active."""

    usage = "CALL_END needs a callId (a string); its reason is optional, up to 64 characters."
    call_id: str
    reason: Reason | UnsetType | None = UNSET


class IceCandidate(ClientMessage):
    """A candidate for the peer; `""` or `null` ends them. The server relays it as it came."""

    usage = "ICE_CANDIDATE needs a callId (a string) and a candidate (a string, an object or null)."
    call_id: str
    candidate: Candidate


class PkdRegister(ClientMessage):
    """Publish this client's public key."""

    usage = "PKD_REGISTER needs your own clientId and a publicKey (a string that is not empty)."
    client_id: ClientId
    public_key: PublicKey


class PkdLookup(ClientMessage):
    """Ask for a client's public key."""

    usage = "PKD_LOOKUP needs a clientId of 1 to 64 letters, digits, hyphens or underscores."
    client_id: ClientId


class TurnCredentials(ClientMessage):
    """Ask for fresh TURN credentials."""

    usage = "TURN_CREDENTIALS takes no payload, null or an object."


def or_unset(value: T | UnsetType | None) -> T | UnsetType:
    """Return the value of an optional field; UNSET for `null`, which many serializers write for an absent one."""
    return UNSET if value is None else value


CLIENT_MESSAGES: dict[str, type[ClientMessage]] = {
    "REGISTER": Register,
    "HEARTBEAT": Heartbeat,
    "CALL_INITIATE": CallInitiate,
    "CALL_ACCEPT": CallAccept,
    "CALL_REJECT": CallReject,
    "CALL_END": CallEnd,
    "ICE_CANDIDATE": IceCandidate,
    "PKD_REGISTER": PkdRegister,
    "PKD_LOOKUP": PkdLookup,
    "TURN_CREDENTIALS": TurnCredentials,
}

# The W3C's RTCIceServer, one URL each; a STUN server needs neither username nor credential.
IceServer = Annotated[
    dict[str, str],
    Meta(
        extra_json_schema={
            "properties": {name: {"type": "string"} for name in ("urls", "username", "credential")},
            "required": ["urls"],
        }
    ),
]
IceServers = list[IceServer]
Echo = Annotated[str, Meta(max_length=MAX_ECHO_CHARACTERS)]


class ServerMessage(Struct, rename="camel", omit_defaults=True, gc=False):
    """A message to a client; its payload's fields."""

    def encode(self) -> str:
        """Encode the frame's text."""
        return _frame_of(self).decode()


class DescribingMessage(ServerMessage):
    """A message with a peer's session description; has `ice_servers` where they fit (PROTOCOL.md, "Frames")."""

    def check_size(self) -> None:
        """Raise `InvalidMessageError` if the frame is too long even without `ice_servers`."""
        if len(_frame_of(replace(self, ice_servers=UNSET))) > MAX_FRAME_BYTES:
            raise InvalidMessageError(
                "What your peer receives may be 65,536 bytes long as well; send a shorter session description."
            )

    def encode(self) -> str:
        """Encode the frame's text, without `ice_servers` if they make it too long."""
        frame = _frame_of(self)
        if len(frame) > MAX_FRAME_BYTES:
            frame = _frame_of(replace(self, ice_servers=UNSET))
        return frame.decode()


class Registered(ServerMessage):
    """Registration confirmed."""

    client_id: ClientId
    ice_servers: IceServers


class HeartbeatAck(ServerMessage):
    """The answer to `HEARTBEAT`."""


class IncomingCall(DescribingMessage):
    """Somebody calls this client."""

    call_id: CallId
    caller_id: ClientId
    sdp_offer: SessionDescription
    ice_servers: IceServers | UnsetType = UNSET


class CallAccepted(DescribingMessage):
    """The callee accepted."""

    call_id: CallId
    sdp_answer: SessionDescription
    ice_servers: IceServers | UnsetType = UNSET


class CallRejected(ServerMessage):
    """The callee rejected."""

    call_id: CallId
    reason: Reason | UnsetType = UNSET


class CallEnded(ServerMessage):
    """The peer, or the server, ended the call."""

    call_id: CallId
    reason: Reason | UnsetType = UNSET


class PeerIceCandidate(ServerMessage):
    """A candidate from the peer."""

    call_id: CallId
    candidate: Candidate


class PkdResult(ServerMessage):
    """A client's public key; `null` when it has none, or a revoked one."""

    client_id: ClientId
    public_key: PublicKey | None


class FreshTurnCredentials(ServerMessage):
    """Credentials good until `expiresAt`, in unix seconds."""

    ice_servers: IceServers
    expires_at: int


class Error(ServerMessage):
    """What was wrong with a request, and what to do."""

    code: ErrorCode
    message: str
    request: Echo | UnsetType = UNSET
    call_id: Echo | UnsetType = UNSET
    retry_after_ms: Annotated[int, Meta(ge=1)] | UnsetType = UNSET


SERVER_MESSAGES: dict[type[ServerMessage], str] = {
    Registered: "REGISTERED",
    HeartbeatAck: "HEARTBEAT_ACK",
    IncomingCall: "INCOMING_CALL",
    CallAccepted: "CALL_ACCEPTED",
    CallRejected: "CALL_REJECTED",
    CallEnded: "CALL_ENDED",
    PeerIceCandidate: "ICE_CANDIDATE",
    PkdResult: "PKD_RESULT",
    FreshTurnCredentials: "TURN_CREDENTIALS",
    Error: "ERROR",
}


class Envelope(Struct, gc=False):
    """A frame's outer object; extra keys are ignored."""

    type: str
    # A `null` is read as if it were not there, which is enough where nothing is needed.
    payload: Raw = Raw(b"{}")


class _ServerEnvelope(Struct, gc=False):
    type: str
    payload: ServerMessage


_envelopes = msgspec.json.Decoder(Envelope)
_payloads = {name: msgspec.json.Decoder(message) for name, message in CLIENT_MESSAGES.items()}
_encode = msgspec.json.Encoder().encode
_NULL, _NOTHING = Raw(b"null"), Raw(b"{}")


def _frame_of(message: ServerMessage) -> bytes:
    return _encode(_ServerEnvelope(SERVER_MESSAGES[type(message)], message))


def decode_envelope(frame: str) -> Envelope:
    """Decode a frame down to its type; raises `InvalidMessageError` for anything but a message."""
    envelope = _read(frame)
    if envelope.type not in CLIENT_MESSAGES:
        raise InvalidMessageError("There is no message of this type; use one that the protocol defines.")
    return envelope


def decode_payload(envelope: Envelope) -> ClientMessage:
    """Decode a payload by its envelope's type; raises `InvalidMessageError` with the type's usage."""
    decode, payload = _payloads[envelope.type].decode, envelope.payload
    try:
        message = decode(_NOTHING if payload == _NULL else payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        raise InvalidMessageError(_broken_rule(envelope)) from None
    check = _OPAQUE_FIELDS.get(type(message))
    if check is not None:
        field, starts = check
        value = memoryview(getattr(message, field))
        # The bytes are valid JSON by now: the first one tells the kind of value.
        if value[0] not in starts or (len(starts) == 1 and len(value) == len('""')):
            raise InvalidMessageError(message.usage)
    return message


# An opaque field, and what its JSON may start with: a string alone (and then not an empty one), an object or null.
_OPAQUE_FIELDS: dict[type[ClientMessage], tuple[str, bytes]] = {
    CallInitiate: ("sdp_offer", b'"'),
    CallAccept: ("sdp_answer", b'"'),
    IceCandidate: ("candidate", b'"{n'),
}


def _broken_rule(envelope: Envelope) -> str:
    """Name the rule that the key of a refused payload broke, or say what its type needs."""
    problem = ""
    if envelope.type == "PKD_REGISTER" and (fields := _fields_in(envelope.payload)):
        problem = keys.problem(_decoded(fields["publicKey"]) if "publicKey" in fields else UNSET)
    return problem or CLIENT_MESSAGES[envelope.type].usage


def error_for(error: ProtocolError, request: str | UnsetType = UNSET, call_id: str | UnsetType = UNSET) -> Error:
    """Describe `error` to the client that caused it, with the type and the call that its request named."""
    retry_after = error.retry_after_seconds
    return Error(
        code=error.code,
        message=error.sentence,
        request=request,
        call_id=call_id,
        retry_after_ms=UNSET if retry_after is None else math.ceil(retry_after * 1000),
    )


def named_in(frame: str | None) -> tuple[str | UnsetType, str | UnsetType]:
    """Return the type and the call ID that a refused frame names, as far as it can be read."""
    try:
        envelope = _read(frame or "")
    except InvalidMessageError:
        return UNSET, UNSET
    return _short(envelope.type), _short(_call_id_in(envelope.payload))


def _read(frame: str) -> Envelope:
    size = len(frame) if frame.isascii() else len(frame.encode(errors="surrogatepass"))
    if size > MAX_FRAME_BYTES:
        raise InvalidMessageError("A message may be 65,536 bytes long; send a shorter one.")
    if len(frame) > MAX_NESTING and _has_many_brackets(frame) and _nesting(frame) > MAX_NESTING:
        raise InvalidMessageError("A message may be nested 256 levels deep; send a flatter one.")
    try:
        return _envelopes.decode(frame)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        raise InvalidMessageError('Send one JSON object in a text frame: {"type": "...", "payload": {...}}.') from None


def _has_many_brackets(frame: str) -> bool:
    # By `find`, which is memchr: `count` takes as long as decoding an offer.
    for bracket in "[{":
        position = -1
        for _ in range(MAX_NESTING // 2):
            position = frame.find(bracket, position + 1)
            if position < 0:
                break
        else:
            return True
    return False


def _nesting(frame: str) -> int:
    brackets = _STRINGS_AND_THE_REST.sub("", frame)
    return max(itertools.accumulate((1 if bracket in "[{" else -1 for bracket in brackets), initial=0))


# What is no bracket: strings, the last of which may never be closed, and everything else. Possessive: a
# quote that matched is not tried again, so the time is linear.
_STRINGS_AND_THE_REST = re.compile(r'"(?:[^"\\]|\\.)*+"?|[^"\[\]{}]+', re.DOTALL)


def _call_id_in(payload: Raw) -> Any:
    fields = _fields_in(payload)
    return _decoded(fields["callId"]) if "callId" in fields else UNSET


def _fields_in(payload: Raw) -> dict[str, Raw]:
    """Return a refused payload's fields, each as it came; none of what is no object."""
    try:
        return msgspec.json.decode(payload, type=dict[str, Raw])
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return {}


def _decoded(field: Raw) -> Any:
    try:
        return msgspec.json.decode(field)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        # A number that no float can hold, for one; strings were read before.
        return None


def _short(text: Any) -> str | UnsetType:
    if isinstance(text, str) and len(text) <= MAX_ECHO_CHARACTERS:
        return text
    return UNSET
