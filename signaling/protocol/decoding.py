"""Frames of clients (PROTOCOL.md, "Frames").

A frame is decoded in one pass, by the type that it names. Where that fails it is decoded in two steps, down to the type
and then the payload: they tell whether it is a message after all, or else which rule it breaks.

Whatever a client sends raises nothing but `InvalidMessageError`.
"""

import functools
import itertools
import operator
import re
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from pkd import keys
from signaling.protocol.client_messages import CLIENT_MESSAGES, ClientMessage
from signaling.protocol.errors import InvalidMessageError
from signaling.protocol.fields import MAX_ECHO_CHARACTERS, MAX_FRAME_BYTES, MAX_NESTING, MAX_READ_BYTES

# Heartbeats are the same text each time, and all clients together have a few spellings: so many short frames of
# messages without fields are decoded once.
MOST_REPEATED = 64
MAX_REPEATED_CHARACTERS = 64


class Envelope(Struct, gc=False):
    """A frame's outer object; extra keys are ignored."""

    type: str
    # A `null` is read as if it were not there, which is enough where nothing is needed.
    payload: Raw = Raw(b"{}")


class Malformed(NamedTuple):
    """A message of a known type whose payload is not what the type needs, and the error to answer it with."""

    type: str
    error: InvalidMessageError


def _whole(message: type[ClientMessage]) -> Any:
    """Make the struct of a frame with such a message; it has to have a payload only where that has fields."""
    default: Any = msgspec.NODEFAULT if message.__struct_fields__ else message
    payload = ("payload", message, msgspec.field(default_factory=default))
    return msgspec.defstruct(f"{message.__name__}Frame", [payload], tag_field="type", tag=message.type, gc=False)


_NOT_DECODED = (msgspec.MsgspecError, RecursionError, UnicodeError)
_whole_frames: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
    functools.reduce(operator.or_, map(_whole, CLIENT_MESSAGES.values()))
)
_envelopes = msgspec.json.Decoder(Envelope)
_payloads = {name: msgspec.json.Decoder(message) for name, message in CLIENT_MESSAGES.items()}
_NULL, _NOTHING = Raw(b"null"), Raw(b"{}")
_repeated: dict[str, ClientMessage] = {}


def decode(frame: str) -> ClientMessage | Malformed:
    """Decode a frame; raises `InvalidMessageError` for anything but a message of a known type."""
    size = len(frame)
    if size <= MAX_REPEATED_CHARACTERS and (repeated := _repeated.get(frame)) is not None:
        return repeated
    if size > MAX_NESTING:
        # A shorter one can be neither too long nor nested too deeply.
        _check_bounds(frame)
    try:
        message: ClientMessage = _whole_frames.decode(frame).payload
    except _NOT_DECODED:
        return decode_in_steps(frame)
    opaque = message.opaque
    if opaque is not None:
        if not _is_opaque_right(message, opaque):
            return decode_in_steps(frame)
    elif size <= MAX_REPEATED_CHARACTERS and not message.__struct_fields__:
        _repeat(frame, message)
    return message


def decode_in_steps(frame: str) -> ClientMessage | Malformed:
    """Decode a frame as `decode` does, down to the type and then the payload, to see what is wrong with it."""
    envelope = _read(frame)
    if envelope.type not in CLIENT_MESSAGES:
        raise InvalidMessageError("There is no message of this type; use one that the protocol defines.")
    payload = _NOTHING if envelope.payload == _NULL else envelope.payload
    try:
        message = _payloads[envelope.type].decode(payload)
    except _NOT_DECODED:
        return Malformed(envelope.type, InvalidMessageError(_broken_rule(envelope)))
    if message.opaque is not None and not _is_opaque_right(message, message.opaque):
        return Malformed(envelope.type, InvalidMessageError(message.usage))
    return message


def _repeat(frame: str, message: ClientMessage) -> None:
    """Keep a message for the next frame of the same text."""
    if len(_repeated) >= MOST_REPEATED:
        _repeated.clear()
    _repeated[frame] = message


def _is_opaque_right(message: ClientMessage, opaque: tuple[str, bytes]) -> bool:
    """Return whether an opaque field has JSON of the right kind in it, which is not empty."""
    field, starts = opaque
    value = memoryview(getattr(message, field))
    # The bytes are valid JSON by now: the first one tells the kind of value.
    return value[0] in starts and (len(starts) > 1 or len(value) > len('""'))


def _broken_rule(envelope: Envelope) -> str:
    """Name the rule that the key of a refused payload broke, or say what its type needs."""
    problem = ""
    if envelope.type == "PKD_REGISTER" and (fields := _fields_in(envelope.payload)):
        problem = keys.problem(_decoded(fields["publicKey"]) if "publicKey" in fields else UNSET)
    return problem or CLIENT_MESSAGES[envelope.type].usage


def named_in(frame: str | None) -> tuple[str | UnsetType, str | UnsetType]:
    """Return the type and the call ID that a refused frame names, as far as it can be read."""
    try:
        envelope = _read(frame or "", MAX_READ_BYTES)
    except InvalidMessageError:
        return UNSET, UNSET
    return _short(envelope.type), _short(_call_id_in(envelope.payload))


def _read(frame: str, max_bytes: int = MAX_FRAME_BYTES) -> Envelope:
    _check_bounds(frame, max_bytes)
    try:
        return _envelopes.decode(frame)
    except _NOT_DECODED:
        raise InvalidMessageError('Send one JSON object in a text frame: {"type": "...", "payload": {...}}.') from None


def _check_bounds(frame: str, max_bytes: int = MAX_FRAME_BYTES) -> None:
    """Raise `InvalidMessageError` for a frame that is too long, or nested too deeply."""
    size = len(frame) if frame.isascii() else len(frame.encode(errors="surrogatepass"))
    if size > max_bytes:
        raise InvalidMessageError("A message may be 65,536 bytes long; send a shorter one.")
    if len(frame) > MAX_NESTING and _has_many_brackets(frame) and _nesting(frame) > MAX_NESTING:
        raise InvalidMessageError("A message may be nested 256 levels deep; send a flatter one.")


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
    except _NOT_DECODED:
        return {}


def _decoded(field: Raw) -> Any:
    try:
        return msgspec.json.decode(field)
    except _NOT_DECODED:
        # A number that no float can hold, for one; strings were read before.
        return None


def _short(text: Any) -> str | UnsetType:
    if isinstance(text, str) and len(text) <= MAX_ECHO_CHARACTERS:
        return text
    return UNSET
