"""Frames of clients, decoded in two steps: down to the type, then the payload (PROTOCOL.md, "Frames").

Whatever a client sends raises nothing but `InvalidMessageError`.
"""

import itertools
import re
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from pkd import keys
from signaling.protocol.client_messages import CLIENT_MESSAGES, ClientMessage
from signaling.protocol.errors import InvalidMessageError
from signaling.protocol.fields import MAX_ECHO_CHARACTERS, MAX_FRAME_BYTES, MAX_NESTING


class Envelope(Struct, gc=False):
    """A frame's outer object; extra keys are ignored."""

    type: str
    # A `null` is read as if it were not there, which is enough where nothing is needed.
    payload: Raw = Raw(b"{}")


_envelopes = msgspec.json.Decoder(Envelope)
_payloads = {name: msgspec.json.Decoder(message) for name, message in CLIENT_MESSAGES.items()}
_NULL, _NOTHING = Raw(b"null"), Raw(b"{}")


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
    if message.opaque is not None:
        field, starts = message.opaque
        value = memoryview(getattr(message, field))
        # The bytes are valid JSON by now: the first one tells the kind of value.
        if value[0] not in starts or (len(starts) == 1 and len(value) == len('""')):
            raise InvalidMessageError(message.usage)
    return message


def _broken_rule(envelope: Envelope) -> str:
    """Name the rule that the key of a refused payload broke, or say what its type needs."""
    problem = ""
    if envelope.type == "PKD_REGISTER" and (fields := _fields_in(envelope.payload)):
        problem = keys.problem(_decoded(fields["publicKey"]) if "publicKey" in fields else UNSET)
    return problem or CLIENT_MESSAGES[envelope.type].usage


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
