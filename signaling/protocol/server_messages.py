"""The messages of the server: each is one struct, which encodes itself to a frame."""

import math
from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, structs

from pkd.keys import ClientId, PublicKey
from pkd.statements import Status
from signaling.protocol.errors import ErrorCode, InvalidMessageError, ProtocolError
from signaling.protocol.fields import (
    MAX_FRAME_BYTES,
    CallId,
    Candidate,
    Echo,
    IceServers,
    Reason,
    SessionDescription,
    or_unset,
)
from signaling.protocol.listed import ListedStatement, Proof, RegisteredCall

# All else in a frame with a description is shorter than what this leaves of one.
SHORT_DESCRIPTION_BYTES = MAX_FRAME_BYTES - 1024

_encode = msgspec.json.Encoder().encode


class ServerMessage(Struct, rename="camel", omit_defaults=True, gc=False):
    """A message to a client: its type, and the fields of its payload."""

    type: ClassVar[str] = ""

    def encode(self) -> str:
        """Encode the frame's text: what `_frame_of` makes, in half the time where it is short."""
        return f'{{"type":"{self.type}","payload":{_encode(self).decode()}}}'


class CallMessage(ServerMessage):
    """A message about one of the client's calls, from its peer or about it."""

    call_id: CallId


class DescribingMessage(CallMessage):
    """A message with a peer's session description; has `ice_servers` where they fit (PROTOCOL.md, "Frames")."""

    description: ClassVar[str]  # the field that has it

    def check_size(self) -> None:
        """Raise `InvalidMessageError` if the frame is too long even without `ice_servers`."""
        is_short = len(getattr(self, self.description)) <= SHORT_DESCRIPTION_BYTES
        if not is_short and len(_frame_of(structs.replace(self, ice_servers=UNSET))) > MAX_FRAME_BYTES:
            raise InvalidMessageError(
                "What your peer receives may be 65,536 bytes long as well; send a shorter session description."
            )

    def encode(self) -> str:
        """Encode the frame's text, without `ice_servers` if they make it too long."""
        frame = _encode(_Frame(self.type, self))
        if len(frame) > MAX_FRAME_BYTES:
            frame = _frame_of(structs.replace(self, ice_servers=UNSET))
        return frame.decode()


class Registered(ServerMessage):
    """The answer to `REGISTER`; has `calls` when there are some, or the client asked for them."""

    type = "REGISTERED"
    client_id: ClientId
    ice_servers: IceServers
    calls: list[RegisteredCall] | UnsetType = UNSET


class HeartbeatAck(ServerMessage):
    """The answer to `HEARTBEAT`."""

    type = "HEARTBEAT_ACK"

    def encode(self) -> str:
        """Return the frame's text, which is always the same."""
        return HEARTBEAT_ACK


class IncomingCall(DescribingMessage):
    """A call of `caller_id` to this client, with its offer."""

    type = "INCOMING_CALL"
    description = "sdp_offer"
    caller_id: ClientId
    sdp_offer: SessionDescription
    ice_servers: IceServers | UnsetType = UNSET


class CallAccepted(DescribingMessage):
    """The callee accepted, with its answer."""

    type = "CALL_ACCEPTED"
    description = "sdp_answer"
    sdp_answer: SessionDescription
    ice_servers: IceServers | UnsetType = UNSET


class CallRejected(CallMessage):
    """The callee rejected the call."""

    type = "CALL_REJECTED"
    reason: Reason | UnsetType = UNSET


class CallEnded(CallMessage):
    """The peer, or the server, ended the call."""

    type = "CALL_ENDED"
    reason: Reason | UnsetType = UNSET


class PeerIceCandidate(CallMessage):
    """A candidate from the peer."""

    type = "ICE_CANDIDATE"
    candidate: Candidate


class PkdResult(ServerMessage):
    """A client's public key; `null` when it has none, or a revoked one. With `after`, what its statements say, too."""

    type = "PKD_RESULT"
    client_id: ClientId
    public_key: PublicKey | None
    directory: str | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    statements: list[ListedStatement] | UnsetType = UNSET
    released_at: int | UnsetType = UNSET
    proof: Proof | UnsetType = UNSET

    @property
    def size(self) -> int:
        """Return how many bytes the frame has."""
        return len(_frame_of(self))

    def check_size(self) -> None:
        """Raise `InvalidMessageError` if the frame is too long: a key without an owner may fill one alone."""
        if self.size > MAX_FRAME_BYTES:
            raise InvalidMessageError(
                "This key fills an answer of 65,536 bytes by itself; look it up without after, as it has no statements."
            )


class FreshTurnCredentials(ServerMessage):
    """Credentials good until `expiresAt`, in unix seconds."""

    type = "TURN_CREDENTIALS"
    ice_servers: IceServers
    expires_at: int


class Error(ServerMessage):
    """The rule that a request broke, and what to do."""

    type = "ERROR"
    code: ErrorCode
    message: str
    request: Echo | UnsetType = UNSET
    call_id: Echo | UnsetType = UNSET
    retry_after_ms: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    challenge: str | UnsetType = UNSET


# Those that are sent, in the order of this file; the others are what these have in common.
SERVER_MESSAGES: dict[type[ServerMessage], str] = {
    message: message.type
    for message in tuple(globals().values())
    if isinstance(message, type) and issubclass(message, ServerMessage) and message.type
}


class _Frame(Struct, gc=False):
    type: str
    payload: ServerMessage


def _frame_of(message: ServerMessage) -> bytes:
    return _encode(_Frame(message.type, message))


HEARTBEAT_ACK = _frame_of(HeartbeatAck()).decode()


def error_for(error: ProtocolError, request: str | UnsetType = UNSET, call_id: str | UnsetType = UNSET) -> Error:
    """Describe `error` to the client that caused it, with the type and the call that its request named."""
    return Error(
        code=error.code,
        message=error.sentence,
        request=request,
        call_id=call_id,
        retry_after_ms=UNSET if error.retry_after_seconds is None else math.ceil(error.retry_after_seconds * 1000),
        challenge=or_unset(error.challenge),
    )
