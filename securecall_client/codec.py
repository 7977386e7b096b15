"""Messages to frames and back (docs/protocol.md, "Frames")."""

import msgspec
from msgspec import Raw, Struct

from securecall_client.errors import InvalidFrameError
from securecall_client.messages import (
    CallAccept,
    CallAccepted,
    CallEnd,
    CallEnded,
    CallInitiate,
    CallReject,
    CallRejected,
    ClientMessage,
    Error,
    Heartbeat,
    HeartbeatAck,
    IceCandidate,
    IncomingCall,
    PkdLookup,
    PkdRegister,
    PkdResult,
    Register,
    Registered,
    ServerMessage,
    TurnCredentials,
    TurnCredentialsRequest,
    Unknown,
)

CLIENT_MESSAGES: dict[type[ClientMessage], str] = {
    Register: "REGISTER",
    Heartbeat: "HEARTBEAT",
    CallInitiate: "CALL_INITIATE",
    CallAccept: "CALL_ACCEPT",
    CallReject: "CALL_REJECT",
    CallEnd: "CALL_END",
    IceCandidate: "ICE_CANDIDATE",
    PkdRegister: "PKD_REGISTER",
    PkdLookup: "PKD_LOOKUP",
    TurnCredentialsRequest: "TURN_CREDENTIALS",
}

SERVER_MESSAGES: dict[str, type[ServerMessage]] = {
    "REGISTERED": Registered,
    "HEARTBEAT_ACK": HeartbeatAck,
    "INCOMING_CALL": IncomingCall,
    "CALL_ACCEPTED": CallAccepted,
    "CALL_REJECTED": CallRejected,
    "CALL_ENDED": CallEnded,
    "ICE_CANDIDATE": IceCandidate,
    "PKD_RESULT": PkdResult,
    "TURN_CREDENTIALS": TurnCredentials,
    "ERROR": Error,
}

_UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeError)

_NAMES: dict[type[ServerMessage], str] = {message: name for name, message in SERVER_MESSAGES.items()}


class _Envelope(Struct):
    type: str
    payload: Raw = Raw(b"{}")


_encode = msgspec.json.Encoder().encode
_envelopes = msgspec.json.Decoder(_Envelope)
_payloads = {name: msgspec.json.Decoder(message) for name, message in SERVER_MESSAGES.items()}


def encode(message: ClientMessage) -> str:
    """Encode a message as the text of its frame."""
    return _encode({"type": CLIENT_MESSAGES[type(message)], "payload": message}).decode()


def decode(frame: str | bytes) -> ServerMessage:
    """Decode a frame, text as `str`; raises `InvalidFrameError` for one that is no message of the protocol."""
    if isinstance(frame, bytes):
        raise InvalidFrameError("A binary frame came, but messages are text: is this a SecureCall server?")
    try:
        envelope = _envelopes.decode(frame)
    except _UNREADABLE:
        raise InvalidFrameError(
            "A frame came that is no message of the protocol: is this a SecureCall server?"
        ) from None
    if envelope.type not in _payloads:
        return Unknown(envelope.type)
    try:
        return _payloads[envelope.type].decode(envelope.payload)
    except _UNREADABLE:
        raise InvalidFrameError(_what_is_wrong(envelope), SERVER_MESSAGES[envelope.type]) from None


def name_of(message: ServerMessage | type[ServerMessage]) -> str:
    """Name the wire's type of a message from the server."""
    if isinstance(message, Unknown):
        return message.type
    return _NAMES[message if isinstance(message, type) else type(message)]


def _what_is_wrong(envelope: _Envelope) -> str:
    """Name the first field that is absent or wrong, without its value."""
    try:
        payload = msgspec.json.decode(envelope.payload, type=dict[str, Raw])
    except _UNREADABLE:
        return f"{envelope.type} came with a payload that is no object."
    for field in msgspec.structs.fields(SERVER_MESSAGES[envelope.type]):
        if field.encode_name not in payload:
            if field.required:
                return f"{envelope.type} came without {field.encode_name}."
            continue
        try:
            msgspec.json.decode(payload[field.encode_name], type=field.type)
        except _UNREADABLE:
            return f"The {field.encode_name} of {envelope.type} is not of the protocol's type."
    return f"{envelope.type} came with a payload that is not the protocol's."
