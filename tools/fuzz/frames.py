"""A client's WebSocket frames, right and wrong (RFC 6455, section 5), and what a server must do about each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FINAL, MASKED = 0x80, 0x80
SHORT, LONG = 126, 127
MOST_IN_CONTROL = 125
# The server's own cap (PROTOCOL.md, "Frames").
CAP_BYTES = 256 * 1024

PROTOCOL_ERROR, INVALID_DATA, TOO_BIG = 1002, 1007, 1009

NOT_UTF_8 = (
    b"\xff",
    b"\xc0\xaf",  # longer than needed
    b"\xed\xa0\x80",  # a surrogate
    b"\xf4\x90\x80\x80",  # beyond the last code point
    b"\x80",
    b"\xe2\x82",  # cut short
    b'{"type":"HEARTBEAT\xfe"}',
)
# Codes that no peer may send (RFC 6455, section 7.4).
CODES_OF_NOBODY = (0, 999, 1004, 1005, 1006, 1015, 1100, 2999, 5000, 65_535)
CODES = (1000, 1001, 1002, 1003, 1007, 1011, 3000, 4000, 4999)


@dataclass(frozen=True)
class Input:
    """Bytes, and the close codes of which the server must answer one; none: the connection stays."""

    data: bytes
    codes: frozenset[int] = frozenset()


def frame(
    opcode: int, payload: bytes, mask: bytes, *, is_final: bool = True, reserved: int = 0, length_bytes: int = 0
) -> bytes:
    """Make a masked frame; `length_bytes` of 2 or 8 writes its length in more than are needed."""
    length = len(payload)
    head = (FINAL if is_final else 0) | reserved | opcode
    if length_bytes == 0:
        length_bytes = 0 if length < SHORT else 2 if length < 1 << 16 else 8
    size = {0: bytes((MASKED | length % 128,)), 2: bytes((MASKED | SHORT,)), 8: bytes((MASKED | LONG,))}[length_bytes]
    if length_bytes:
        size += length.to_bytes(length_bytes, "big")
    return bytes((head,)) + size + mask + _masked(payload, mask)


def _masked(payload: bytes, mask: bytes) -> bytes:
    key = int.from_bytes((mask * (len(payload) // 4 + 1))[: len(payload)], "little")
    return (int.from_bytes(payload, "little") ^ key).to_bytes(len(payload), "little")


def a_frame(dice: Random, opcode: int, payload: bytes, *, is_final: bool = True, reserved: int = 0) -> bytes:
    """Make a frame with a random mask, which now and then changes nothing."""
    mask = bytes(4) if dice.random() < 0.1 else dice.randbytes(4)
    return frame(opcode, payload, mask, is_final=is_final, reserved=reserved)


def control(dice: Random) -> bytes:
    """Make a ping, or a pong without one."""
    payload = dice.randbytes(dice.choice((0, 1, 4, MOST_IN_CONTROL)))
    return a_frame(dice, dice.choice((PING, PONG)), payload)


def message(dice: Random, payload: bytes, opcode: int = TEXT) -> bytes:
    """Make the frames of a message: mostly one; else fragments, some empty, with control frames in between."""
    if dice.random() < 0.7:
        return a_frame(dice, opcode, payload)
    cuts = sorted(dice.randint(0, len(payload)) for _ in range(dice.randint(1, 4)))
    parts = [payload[start:end] for start, end in zip([0, *cuts], [*cuts, len(payload)], strict=True)]
    frames = []
    for number, part in enumerate(parts):
        if number and dice.random() < 0.5:
            frames.append(control(dice))
        kind = CONTINUATION if number else opcode
        frames.append(a_frame(dice, kind, part, is_final=number == len(parts) - 1))
    return b"".join(frames)


def closing(dice: Random) -> Input:
    """Make a close frame as it should be; its code comes back, as is usual, or a plain 1000."""
    code = dice.choice((None, *CODES))
    if code is None:
        return Input(a_frame(dice, CLOSE, b""), frozenset({1005, 1000}))
    reason = dice.choice(("", "done", "\u20ac" * 41)).encode()
    return Input(a_frame(dice, CLOSE, code.to_bytes(2, "big") + reason), frozenset({code, 1000}))


def violation(dice: Random) -> Input:
    """Make frames that no client may send, and what RFC 6455 has a server answer."""
    make, *codes = dice.choice(VIOLATIONS)
    return Input(make(dice), frozenset(codes))


def _unmasked(dice: Random) -> bytes:
    payload = b'{"type":"HEARTBEAT"}'
    return bytes((FINAL | dice.choice((TEXT, BINARY, PING)), len(payload))) + payload


def _reserved_bits(dice: Random) -> bytes:
    return a_frame(dice, dice.choice((TEXT, PING)), b"x", reserved=dice.choice((0x10, 0x20, 0x40, 0x70)))


def _reserved_opcode(dice: Random) -> bytes:
    return a_frame(dice, dice.choice((3, 4, 5, 6, 7, 11, 12, 13, 14, 15)), b"x")


def _control_in_fragments(dice: Random) -> bytes:
    return a_frame(dice, dice.choice((PING, PONG, CLOSE)), b"", is_final=False)


def _long_control(dice: Random) -> bytes:
    return a_frame(dice, dice.choice((PING, PONG, CLOSE)), b"\x03\xe8" + b"x" * 124)


def _continuation_of_nothing(dice: Random) -> bytes:
    return a_frame(dice, CONTINUATION, b"x", is_final=dice.random() < 0.5)


def _message_in_a_message(dice: Random) -> bytes:
    return a_frame(dice, TEXT, b"{", is_final=False) + a_frame(dice, dice.choice((TEXT, BINARY)), b"}")


def _endless_length(dice: Random) -> bytes:
    return bytes((FINAL | TEXT, MASKED | LONG)) + b"\xff" * 8 + dice.randbytes(4)


def _not_utf_8(dice: Random) -> bytes:
    return message(dice, b"\xc3\xa4" * dice.randint(0, 70) + dice.choice(NOT_UTF_8))


def _too_long(dice: Random) -> bytes:
    size = dice.choice((CAP_BYTES + 1, 1 << 24, 1 << 40))
    return bytes((FINAL | TEXT, MASKED | LONG)) + size.to_bytes(8, "big") + dice.randbytes(4)


def _close_of_one_byte(dice: Random) -> bytes:
    return a_frame(dice, CLOSE, b"\x03")


def _close_code_of_nobody(dice: Random) -> bytes:
    return a_frame(dice, CLOSE, dice.choice(CODES_OF_NOBODY).to_bytes(2, "big"))


def _close_without_utf_8(dice: Random) -> bytes:
    return a_frame(dice, CLOSE, b"\x03\xe8" + dice.choice(NOT_UTF_8))


VIOLATIONS: tuple[tuple[Callable[[Random], bytes], *tuple[int, ...]], ...] = (
    (_unmasked, PROTOCOL_ERROR),
    (_reserved_bits, PROTOCOL_ERROR),
    (_reserved_opcode, PROTOCOL_ERROR),
    (_control_in_fragments, PROTOCOL_ERROR),
    (_long_control, PROTOCOL_ERROR),
    (_continuation_of_nothing, PROTOCOL_ERROR),
    (_message_in_a_message, PROTOCOL_ERROR),
    (_endless_length, PROTOCOL_ERROR, TOO_BIG),
    (_not_utf_8, INVALID_DATA),
    (_too_long, TOO_BIG),
    (_close_of_one_byte, PROTOCOL_ERROR),
    (_close_code_of_nobody, PROTOCOL_ERROR),
    (_close_without_utf_8, PROTOCOL_ERROR, INVALID_DATA),
)


def chunks(dice: Random, data: bytes) -> Iterator[bytes]:
    """Cut bytes where a network might."""
    start = 0
    while start < len(data):
        end = start + dice.choice((1, 2, 5, 14, 100, 4096, len(data)))
        yield data[start:end]
        start = end
