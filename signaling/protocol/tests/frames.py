"""Frames as clients write them, and the decoder in one step."""

import json
from typing import Any

from signaling.protocol.client_messages import ClientMessage
from signaling.protocol.decoding import decode_envelope, decode_payload

CALL = "call-of-this-test"


def decode(frame: str) -> ClientMessage:
    """Decode a frame and its payload."""
    return decode_payload(decode_envelope(frame))


def frame(message_type: Any, **payload: Any) -> str:
    """Write a frame."""
    return json.dumps({"type": message_type, "payload": payload})
