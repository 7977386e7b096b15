"""The usual frames of a WebSocket, read and written at once; every other is for the `websockets` library."""

from struct import Struct

# In C, where there is a wheel of it: in Python alone an offer takes ten times as long.
from websockets.frames import apply_mask  # type: ignore[attr-defined]  # chosen there, and not exported

# RFC 6455, section 5.2
FINAL_TEXT = 0x81
FINAL_PONG = 0x8A
MASKED = 0x80
LENGTH_IN_2_BYTES, LENGTH_IN_8_BYTES = 126, 127
MASK_BYTES = 4
LEAST_HEAD_BYTES = 2
# The first two bytes of the usual frame as one number, to which a length below 126 is added; or one in 2 bytes follows.
SHORT_TEXT = FINAL_TEXT << 8 | MASKED
LONG_TEXT = SHORT_TEXT + LENGTH_IN_2_BYTES

# The heads of frames without a mask: with no, 2 and 8 bytes for the length.
_pack, _pack_2, _pack_8 = (Struct(f">BB{length}").pack for length in ("", "H", "Q"))
_head_of = Struct(">HH").unpack_from


def whole_text_frame(data: bytes, at: int = 0) -> tuple[str, int] | None:
    """Read the client's frame that begins at a place in `data`; returns its text, and where it ends.

    None for all but a whole, masked, unfragmented text frame of less than 64 KiB in UTF-8 (RFC 6455, section 5.2).
    """
    size, begin = len(data), at + LEAST_HEAD_BYTES + MASK_BYTES
    if size < begin:
        return None
    # At once: to look at each byte by itself takes twice as long.
    head, length = _head_of(data, at)
    if head == LONG_TEXT:
        begin += 2
        if length < LENGTH_IN_2_BYTES:
            return None
    else:
        length = head - SHORT_TEXT
        if not 0 <= length < LENGTH_IN_2_BYTES:
            return None
    end = begin + length
    if size < end:
        return None
    try:
        return apply_mask(data[begin:end], data[begin - MASK_BYTES : begin]).decode(), end
    except UnicodeDecodeError:
        return None


def whole_pong_frame(data: bytes, at: int) -> tuple[bytes, int] | None:
    """Read the client's pong frame that begins at a place in `data`; returns its payload, and where it ends.

    None for all but a whole, masked pong.
    """
    begin = at + 2 + MASK_BYTES
    if len(data) < begin or data[at] != FINAL_PONG or not MASKED <= data[at + 1] < MASKED + LENGTH_IN_2_BYTES:
        return None
    end = begin + data[at + 1] - MASKED
    return None if len(data) < end else (apply_mask(data[begin:end], data[at + 2 : begin]), end)


def is_usual_so_far(data: bytes, at: int) -> bool:
    """Return whether the bytes from `at` on may become a frame that `whole_text_frame` reads; few bytes may."""
    there = len(data) - at
    if there < LEAST_HEAD_BYTES:
        return True
    if data[at] != FINAL_TEXT or data[at + 1] < MASKED:
        return False
    length = data[at + 1] - MASKED
    if length < LENGTH_IN_2_BYTES:
        return there < 2 + MASK_BYTES + length
    if length == LENGTH_IN_8_BYTES:
        return False
    if there < LEAST_HEAD_BYTES + 2:
        return True
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    return length >= LENGTH_IN_2_BYTES and there < 4 + MASK_BYTES + length


def head_bytes(head: bytes | bytearray) -> int:
    """Return how long a frame's head is, by what has come of it; as far as two bytes tell, if no more have."""
    if len(head) < LEAST_HEAD_BYTES:
        return LEAST_HEAD_BYTES
    length = head[1] % MASKED
    extended = 2 if length == LENGTH_IN_2_BYTES else 8 if length == LENGTH_IN_8_BYTES else 0
    return LEAST_HEAD_BYTES + extended + (MASK_BYTES if head[1] >= MASKED else 0)


def payload_bytes(head: bytes | bytearray) -> int:
    """Return how long the payload is that follows a whole head."""
    length = head[1] % MASKED
    if length < LENGTH_IN_2_BYTES:
        return length
    end = LEAST_HEAD_BYTES + (2 if length == LENGTH_IN_2_BYTES else 8)
    return int.from_bytes(head[LEAST_HEAD_BYTES:end], "big")


def text_frame(payload: bytes) -> bytes:
    """Make the server's frame for a text (RFC 6455, section 5.2)."""
    length = len(payload)
    if length < LENGTH_IN_2_BYTES:
        return _pack(FINAL_TEXT, length) + payload
    if length < 1 << 16:
        return _pack_2(FINAL_TEXT, LENGTH_IN_2_BYTES, length) + payload
    return _pack_8(FINAL_TEXT, LENGTH_IN_8_BYTES, length) + payload
