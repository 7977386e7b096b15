"""Client frames of RFC 6455, masked once: a call's frames differ in its ID only."""

import json
from dataclasses import dataclass
from typing import Any

PONG = 0x8A
CALL_ID_LENGTH = 24
CALL_ID = "#" * CALL_ID_LENGTH
HANDSHAKE_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE_ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, section 1.3

# Not zero: `ws` skips the unmasking when it is, and no browser sends it.
_MASK = b"\x9d\x3b\xc6\x57"
_SHORT, _MEDIUM = 126, 1 << 16


def mask(payload: bytes) -> bytes:
    """XOR with the mask; two parts masked apart fit together where the first has a multiple of 4 bytes."""
    size = len(payload)
    key = (_MASK * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def frame(payload: bytes, opcode: int = 0x81) -> bytes:
    """One masked client frame."""
    return _header(len(payload), opcode) + mask(payload)


def handshake(host: str, path: str) -> bytes:
    """The opening handshake, without extensions and without Origin, as a native client sends it."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {HANDSHAKE_KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


@dataclass(frozen=True, slots=True)
class Template:
    """A frame with a hole for the call's ID."""

    head: bytes
    tail: bytes

    @classmethod
    def of(cls, message: dict[str, Any]) -> "Template":
        """The frame of a message that names CALL_ID once."""
        text = json.dumps(message, separators=(",", ":")).encode()
        hole = CALL_ID.encode()
        if text.count(hole) != 1:
            detail = f"{text.count(hole)} holes in {text[:80]!r}"
            raise ValueError(detail)
        # JSON allows blanks after the brace; they bring the hole to a multiple of the mask's 4 bytes.
        text = text[:1] + b" " * (-text.index(hole) % 4) + text[1:]
        start = text.index(hole)
        masked = mask(text)
        return cls(_header(len(text), 0x81) + masked[:start], masked[start + CALL_ID_LENGTH :])


def _header(size: int, opcode: int) -> bytes:
    if size < _SHORT:
        return bytes((opcode, 0x80 | size)) + _MASK
    if size < _MEDIUM:
        return bytes((opcode, 0x80 | _SHORT)) + size.to_bytes(2, "big") + _MASK
    return bytes((opcode, 0xFF)) + size.to_bytes(8, "big") + _MASK
