"""Our reading of frames held against the `websockets` library: the same bytes are the same to an application."""

import asyncio
import os
from random import Random

import hypothesis
import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from serving.rare_frames import logger
from serving.tests.rig import CAP_BYTES, Rig, closing, settled
from serving.wire import State as WireState
from tools.fuzz import frames
from tools.fuzz.messages import Messages

VIOLATIONS = {1002, 1007, 1009}  # RFC 6455, section 7.4.1
EXAMPLES = int(os.environ.get("READING_EXAMPLES", "0"))

Outcome = tuple[list[str | bytes], int, int | None]


def pieces_of(dice: Random) -> list[bytes]:
    """Make what a client sends: mostly frames as they should be, some that should not, cut anywhere."""
    messages = Messages(dice, "alice", "bob", ("call-of-this-test",))
    data = b""
    for _ in range(dice.randint(1, 6)):
        kind = dice.choice(("text", "text", "text", "binary", "control", "violation", "closing", "damaged"))
        if kind == "text":
            data += frames.message(dice, messages.text())
        elif kind == "binary":
            data += frames.message(dice, dice.randbytes(dice.choice((0, 3, 200))), frames.BINARY)
        elif kind == "control":
            data += frames.control(dice)
        elif kind == "violation":
            data += frames.violation(dice).data
        elif kind == "closing":
            data += frames.closing(dice).data
        else:
            whole = bytearray(frames.message(dice, messages.text()))
            whole[dice.randrange(min(len(whole), 20))] ^= 1 << dice.randrange(8)
            data += whole
    return list(frames.chunks(dice, data))


class Library:
    """The library's protocol without I/O, with messages put together and their text checked."""

    def __init__(self) -> None:
        self.protocol = ServerProtocol(state=State.OPEN, max_size=CAP_BYTES, logger=logger)
        self.heard: list[str | bytes] = []
        self.pings = 0
        self.parts: list[Frame] = []
        self.is_within = False

    def reads(self, data: bytes) -> None:
        """Read some bytes."""
        self.protocol.receive_data(data)
        for frame in self.protocol.events_received():
            assert isinstance(frame, Frame)
            if frame.opcode is Opcode.PING:
                self.pings += 1
            elif frame.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
                self.parts.append(frame)
                if frame.fin and not self.ends():
                    return

    def ends(self) -> bool:
        """Put a message together; returns whether it could be."""
        payload = b"".join(frame.data for frame in self.parts)
        is_text = self.parts[0].opcode is Opcode.TEXT
        self.parts.clear()
        try:
            self.heard.append(payload.decode() if is_text else payload)
        except UnicodeDecodeError:
            self.protocol.fail(1007)
            return False
        return True

    def code(self) -> int | None:
        """Return the code that the connection was closed with."""
        if self.protocol.state is State.OPEN:
            return None
        self.protocol.receive_eof()
        closed = self.protocol.close_exc
        close = closed.rcvd if closed.rcvd_then_sent else closed.sent
        return None if close is None else int(close.code)


def by_the_library(pieces: list[bytes]) -> Outcome:
    """Read one byte after the other, so that a violation hides nothing that came before it."""
    library = Library()
    for byte in b"".join(pieces):
        library.reads(bytes((byte,)))
        if library.protocol.state is not State.OPEN:
            break
    return library.heard, library.pings, library.code()


async def on_the_wire(pieces: list[bytes]) -> Outcome:
    """Read the pieces as they come, and what is left after the last."""
    with closing(Rig()) as rig:
        await rig.accepted()
        for piece in pieces:
            sending = asyncio.create_task(rig.says(piece))
            while not sending.done() and rig.wire.state is WireState.OPEN:
                await asyncio.sleep(0)
            if rig.wire.state is not WireState.OPEN:
                sending.cancel()
                break
        # A piece may hold more than a turn.
        for _ in range(40):
            await settled()
        recorder = rig.recorder
        code = None if rig.wire.state is WireState.OPEN else await recorder.ends()
        return recorder.heard, recorder.pings, code


def is_within_fragments(pieces: list[bytes]) -> bool:
    """Return whether the client closed within a message, which the library takes for a violation."""
    protocol = ServerProtocol(state=State.OPEN, max_size=CAP_BYTES, logger=logger)
    protocol.receive_data(b"".join(pieces))
    return "incomplete fragmented message" in str(protocol.parser_exc)


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(
            [b"\x82\x8b" + bytes(4), Frame(Opcode.TEXT, b"hello").serialize(mask=True)], id="inside another frame"
        ),
        pytest.param(
            [
                Frame(Opcode.TEXT, b"one", fin=False).serialize(mask=True),
                Frame(Opcode.TEXT, b"two").serialize(mask=True),
            ],
            id="between fragments",
        ),
    ],
)
async def test_what_looks_like_a_frame_is_none(pieces: list[bytes]) -> None:
    assert await on_the_wire(pieces) == by_the_library(pieces)


# A smaller seed is not a smaller case.
@hypothesis.settings(
    max_examples=EXAMPLES or 300, derandomize=not EXAMPLES, deadline=None, database=None, phases=[Phase.generate]
)
@given(seed=st.integers(0, 2**32))
def test_same_bytes_are_the_same_to_an_application(seed: int) -> None:
    pieces = pieces_of(Random(seed))  # noqa: S311 -- dice that can be thrown again
    heard, pings, code = asyncio.run(on_the_wire(pieces))
    expected, expected_pings, expected_code = by_the_library(pieces)
    assert heard == expected
    # Ours finds a fragment that is no UTF-8 before what comes after it.
    assert pings == expected_pings or (code == 1007 and pings < expected_pings)
    if code == 1007:
        # Found in a fragment, before the message ends, or another violation is.
        assert expected_code in {*VIOLATIONS, None}
    elif code in VIOLATIONS:
        assert expected_code in VIOLATIONS
    elif not is_within_fragments(pieces):
        assert code == expected_code
