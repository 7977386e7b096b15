"""The kinds of fields that messages have, and the limits of what a frame may hold (PROTOCOL.md, "Frames").

Session descriptions and candidates are opaque: they are checked to be JSON of the right kind, and kept as the very
bytes that came.
"""

from typing import Annotated, Any, TypeVar

from msgspec import UNSET, Meta, Raw, UnsetType

from pkd import keys
from signaling.protocol.calls import CALL_ID

T = TypeVar("T")

MAX_FRAME_BYTES = keys.MAX_FRAME_BYTES
# What our transport reads of a frame at most, for its sender to be told what is too long.
MAX_READ_BYTES = 256 * 1024
# How deep the decoder goes depends on Python's version; this does not, and is less.
MAX_NESTING = 256
# What a client may name in a request and find again in the ERROR for it.
MAX_ECHO_CHARACTERS = 64

Reason = Annotated[str, Meta(max_length=64)]
# What TRUST.md added to messages of the reference: read by who needs it, so that such a message means what it always
# meant whatever stands there.
AddedText = Annotated[Any, Meta(description="A string; anything else is as if it were not there.")]
AddedFlag = Annotated[Any, Meta(description="True; anything else is as if it were not there.")]
AddedSignatures = Annotated[Any, Meta(description="Strings named identity, previous and recovery.")]
# The `seq` of the statement that a client knows; -1 of none.
After = Annotated[Any, Meta(description="A whole number from -1.")]
# The size of the log's tree that a client knows; 0 of none.
Size = Annotated[Any, Meta(description="A whole number from 0.")]
# What a JSON schema says of these, `decode` and the handlers check, who have a better sentence for it.
CallId = Annotated[str, Meta(extra_json_schema={"pattern": rf"^{CALL_ID.pattern}\Z"})]
SessionDescription = Annotated[Raw, Meta(extra_json_schema={"type": "string", "minLength": 1})]
Candidate = Annotated[Raw, Meta(extra_json_schema={"type": ["string", "object", "null"]})]

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


def or_unset(value: T | UnsetType | None) -> T | UnsetType:
    """Return the value of an optional field; UNSET for `null`, which many serializers write for an absent one."""
    return UNSET if value is None else value


def bytes_of(frame: str) -> int:
    """Return the number of bytes of a frame."""
    return len(frame) if frame.isascii() else len(frame.encode())
