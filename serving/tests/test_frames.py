"""Our reading and writing of the usual frame, held against the `websockets` library."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from serving.frames import (
    head_bytes,
    is_usual_so_far,
    payload_bytes,
    text_frame,
    whole_pong_frame,
    whole_text_frame,
)

LENGTHS = (0, 1, 3, 4, 125, 126, 127, 65_535)


def from_client(payload: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=True)


@pytest.mark.parametrize("length", LENGTHS)
def test_frame_is_read_up_to_its_end(length: int) -> None:
    frame = from_client(b"x" * length)
    assert whole_text_frame(frame + b"rest") == ("x" * length, len(frame))


@given(text=st.text(max_size=300), rest=st.binary(max_size=20))
@example(text="\u00e9\u20ac\U0001f600\x00", rest=b"")
def test_frame_is_read_as_it_was_written(text: str, rest: bytes) -> None:
    frame = from_client(text.encode())
    assert whole_text_frame(frame + rest) == (text, len(frame))


@given(length=st.integers(0, 140), missing=st.integers(1, 150))
def test_frame_that_has_not_arrived_whole_is_left(length: int, missing: int) -> None:
    frame = from_client(b"x" * length)
    assert whole_text_frame(frame[:-missing]) is None


@pytest.mark.parametrize(
    "frame",
    [
        from_client(b"x", fin=False),
        from_client(b"x", Opcode.CONT),
        from_client(b"x", Opcode.BINARY),
        from_client(b"x", Opcode.PING),
        from_client(b"", Opcode.CLOSE),
        from_client(b"\xff\xfe"),
        from_client("\ud800".encode(errors="surrogatepass")),
        from_client(b"x" * 65_536),
        Frame(Opcode.TEXT, b"unmasked").serialize(mask=False),
        b"\xc1" + from_client(b"compressed")[1:],
        b"\x81\xfe\x00\x05masklength",
        b"\x81\xff" + bytes(7) + b"\x05masklength",
    ],
    ids=[
        "beginning",
        "continuation",
        "binary",
        "ping",
        "close",
        "no UTF-8",
        "surrogate",
        "64 KiB",
        "unmasked",
        "reserved bit",
        "length of 5 in two bytes",
        "length of 5 in eight bytes",
    ],
)
def test_frame_of_another_kind_is_left(frame: bytes) -> None:
    assert whole_text_frame(frame) is None


@given(data=st.binary(max_size=200))
def test_anything_is_read_as_the_library_reads_it(data: bytes) -> None:
    read = whole_text_frame(b"\x81" + data)
    if read is not None:
        text, end = read
        reader = StreamReader()
        reader.feed_data((b"\x81" + data)[:end])
        parsing = Frame.parse(reader.read_exact, mask=True)
        with pytest.raises(StopIteration) as finished:
            next(parsing)
        assert finished.value.value == Frame(Opcode.TEXT, text.encode())


@pytest.mark.parametrize("length", [*LENGTHS, 65_536, 262_144])
def test_text_is_framed_as_the_library_frames_it(length: int) -> None:
    payload = b"x" * length
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


@given(length=st.sampled_from((0, 1, 125, 126, 300, 65_535)), missing=st.integers(1, 400))
def test_part_of_a_usual_frame_is_usual_so_far(length: int, missing: int) -> None:
    part = from_client(b"x" * length)[:-missing]
    assert is_usual_so_far(part, 0)
    assert is_usual_so_far(b"before" + part, 6)


@pytest.mark.parametrize("opcode", [Opcode.CONT, Opcode.BINARY, Opcode.PING, Opcode.PONG, Opcode.CLOSE])
def test_part_of_another_frame_is_not_usual(opcode: Opcode) -> None:
    assert not is_usual_so_far(from_client(b"xxxx", opcode)[:2], 0)


# The ids: the library draws a mask by chance, and a test has one name in every process.
@pytest.mark.parametrize(
    "data",
    [from_client(b"\xff"), b"\x81\xfe\x00\x05", b"\x81\xff", b"\x81\x01"],
    ids=["no UTF-8", "a length that is not the shortest", "a part of a length", "no mask"],
)
def test_frame_that_will_not_be_read_is_not_usual(data: bytes) -> None:
    assert not is_usual_so_far(data, 0)


@given(payload=st.integers(0, 70_000), is_masked=st.booleans(), opcode=st.sampled_from((Opcode.TEXT, Opcode.BINARY)))
def test_lengths_of_a_frame_are_known_from_its_head(payload: int, opcode: Opcode, *, is_masked: bool) -> None:
    frame = Frame(opcode, b"x" * payload).serialize(mask=is_masked)
    head = head_bytes(frame[:2])
    assert head + payload == len(frame)
    assert payload_bytes(frame[:head]) == payload
    assert head_bytes(frame[:1]) == 2


@pytest.mark.parametrize("length", [0, 1, 125])
def test_pong_is_read_up_to_its_end(length: int) -> None:
    frame = from_client(b"x" * length, Opcode.PONG)
    assert whole_pong_frame(b"before" + frame + b"rest", 6) == (b"x" * length, 6 + len(frame))
    for missing in range(1, len(frame) + 1):
        assert whole_pong_frame(frame[:-missing], 0) is None


@pytest.mark.parametrize(
    "frame",
    [
        from_client(b"x", Opcode.PING),
        from_client(b"x"),
        Frame(Opcode.PONG, b"unmasked").serialize(mask=False),
        b"\x0a" + from_client(b"x", Opcode.PONG)[1:],
        b"\xca" + from_client(b"x", Opcode.PONG)[1:],
        b"\x8a\xfe\x00\x7emask" + bytes(126),
    ],
    ids=["ping", "text", "unmasked", "fragment", "compressed", "too long"],
)
def test_what_is_no_pong_of_a_client_is_left_to_the_library(frame: bytes) -> None:
    assert whole_pong_frame(frame, 0) is None
