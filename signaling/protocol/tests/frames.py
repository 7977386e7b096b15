"""Frames as clients write them, and the decoder for tests that expect a message."""

import json
from typing import Any

from signaling.protocol import decoding
from signaling.protocol.client_messages import ClientMessage

CALL = "call-of-this-test"


def decode(frame: str) -> ClientMessage:
    """Decode a frame; raises `InvalidMessageError` for a malformed payload, too."""
    message = decoding.decode(frame)
    if isinstance(message, decoding.Malformed):
        raise message.error
    return message


def frame(message_type: Any, **payload: Any) -> str:
    """Write a frame."""
    return json.dumps({"type": message_type, "payload": payload})
