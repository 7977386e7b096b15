"""One WebSocket on a socket pair: reading, writing, the end, and whom it disturbs."""

import asyncio
import contextvars
import gc
import socket
import weakref
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from websockets.frames import Frame, Opcode

from serving.contract import Rest, Trouble
from serving.frames import text_frame
from serving.hub import Hub
from serving.rare_frames import RareFrames
from serving.tests.rig import ANSWER_SECONDS, CAP_BYTES, LIMIT_BYTES, Recorder, Rig, closing, opening, settled
from serving.wire import State, Wire

GOING_AWAY = 1001


def frame(payload: bytes = b"hello", opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=True)


def close_frame(code: int | None, reason: str = "", *, mask: bool = True) -> bytes:
    payload = b"" if code is None else code.to_bytes(2, "big") + reason.encode()
    return Frame(Opcode.CLOSE, payload).serialize(mask=mask)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    with closing(Rig()) as made:
        yield await made.accepted()


# --- Reading ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, CAP_BYTES])
@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
async def test_message_of_any_size_is_heard(rig: Rig, size: int, opcode: Opcode) -> None:
    sending = asyncio.create_task(rig.says(frame(b"x" * size, opcode)))
    async with asyncio.timeout(ANSWER_SECONDS):
        while not rig.recorder.heard:
            await asyncio.sleep(0)
    await sending
    assert rig.recorder.heard == ["x" * size if opcode is Opcode.TEXT else b"x" * size]


async def test_message_may_come_byte_by_byte(rig: Rig) -> None:
    for data in (frame("é🙂".encode()), frame(b"\x00", Opcode.BINARY), frame(b"", Opcode.PING), frame(b"x" * 300)):
        await rig.says(*(data[place : place + 1] for place in range(len(data))))
    assert rig.recorder.heard == ["é🙂", b"\x00", "x" * 300]
    assert rig.recorder.pings == 1


async def test_fragments_are_one_message_with_control_frames_in_between(rig: Rig) -> None:
    euro = "€".encode()
    await rig.says(
        frame(euro[:1], fin=False),
        frame(b"now", Opcode.PING),
        frame(euro[1:] + b"a", Opcode.CONT, fin=False),
        frame(b"then", Opcode.PONG),
        frame(b"", Opcode.CONT, fin=False),
        frame(b"b", Opcode.CONT) + frame(b"next"),
    )
    assert rig.recorder.heard == ["€ab", "next"]
    assert (rig.recorder.pings, rig.recorder.pongs) == (1, [b"then"])
    await rig.hears(b"\x8a\x03now")


async def test_nothing_is_kept_between_messages(rig: Rig) -> None:
    await rig.says(frame(b"a", fin=False), frame(b"b", Opcode.CONT), frame(b"", Opcode.PING), frame(b"x" * 70_000))
    await rig.hears(b"\x8a\x00")
    # The socket, the hub and the listener are what a connection is.
    kept = [
        one for one in gc.get_referents(rig.wire) if isinstance(one, (bytes, bytearray, RareFrames, asyncio.Handle))
    ]
    assert all(one == b"" for one in kept)
    assert rig.hub.tasks == set()


async def test_flood_is_read_in_turns_and_nothing_of_it_is_lost(rig: Rig) -> None:
    most = heard = others = 0

    def others_turn() -> None:
        nonlocal most, heard, others
        most, heard = (
            max(most, len(rig.recorder.heard) + rig.recorder.pings - heard),
            len(rig.recorder.heard) + rig.recorder.pings,
        )
        others += 1
        if heard < 1000:
            asyncio.get_running_loop().call_soon(others_turn)

    await asyncio.get_running_loop().sock_sendall(rig.client, frame(b"x") * 500 + frame(b"", Opcode.PING) * 500)
    others_turn()
    async with asyncio.timeout(ANSWER_SECONDS):
        while heard < 1000:
            await asyncio.sleep(0)
    assert (len(rig.recorder.heard), rig.recorder.pings) == (500, 500)
    # A turn of the event loop may fall between two of ours.
    assert most <= 2 * 16
    assert others >= 1000 / 16 / 2


async def test_next_frame_waits_until_the_last_one_is_handled(rig: Rig) -> None:
    may_go_on = asyncio.Event()

    async def wait() -> None:
        await may_go_on.wait()

    rig.recorder.on_message = lambda message: wait() if message == "slow" else None
    await rig.says(frame(b"slow") + frame(b"then"), frame(b"last") + close_frame(GOING_AWAY))
    assert rig.recorder.heard == ["slow"]
    may_go_on.set()
    assert await rig.recorder.ends() == GOING_AWAY
    assert rig.recorder.heard == ["slow", "then", "last"]


async def test_client_is_read_no_further_than_a_buffer_while_its_message_is_handled(rig: Rig) -> None:
    may_go_on = asyncio.Event()

    async def wait() -> None:
        await may_go_on.wait()

    rig.recorder.on_message = lambda _: wait() if not may_go_on.is_set() else None
    count = 0
    rig.client.setblocking(False)  # noqa: FBT003 -- the socket module's
    stalled = 0
    while stalled < 5:
        try:
            # In part now and then; the rest of that frame follows below.
            sent = rig.client.send(frame(b"x" * 1000) * 10)
            count += sent
            stalled = 0
        except BlockingIOError:
            stalled += 1
        await settled()
    assert count < 4_000_000
    may_go_on.set()
    total = len(frame(b"x" * 1000))
    if count % total:
        # Finish the frame that was cut: its mask is unknown here, but its payload only has to come.
        await rig.says(bytes(total - count % total))
    async with asyncio.timeout(ANSWER_SECONDS):
        while len(rig.recorder.heard) < count // total:
            await asyncio.sleep(0)


async def test_what_came_before_the_drop_is_handled(rig: Rig) -> None:
    await rig.says(frame(b"last words"))
    rig.client.sendall(frame(b"and more"))
    rig.client.close()
    assert await rig.recorder.ends() == 1006
    assert rig.recorder.heard == ["last words", "and more"]


# --- The end ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "code"),
    [
        pytest.param(close_frame(1000), 1000, id="closed"),
        pytest.param(close_frame(GOING_AWAY, "bye"), GOING_AWAY, id="with a reason"),
        pytest.param(close_frame(None), 1005, id="without a code"),
        pytest.param(close_frame(4001), 4001, id="with a code of its own"),
        pytest.param(frame(b"", fin=False) + close_frame(1000), 1000, id="between fragments"),
        pytest.param(close_frame(1000) + frame() * 20, 1000, id="and said more"),
    ],
)
async def test_clients_close_gives_its_code_and_is_echoed(rig: Rig, last: bytes, code: int) -> None:
    await rig.says(last)
    assert await rig.recorder.ends() == code
    assert not rig.wire.write("too late")
    echo = await rig.hears_the_end()
    assert echo[:2] in {b"\x88\x02", b"\x88\x00", b"\x88\x05"}
    assert rig.recorder.heard == []


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(Frame(Opcode.TEXT, b"x").serialize(mask=False), 1002, id="unmasked"),
        pytest.param(b"\xff\xff", 1002, id="nothing at all"),
        pytest.param(b"\xc1\x80\0\0\0\0", 1002, id="reserved bit"),
        pytest.param(b"\x83\x80\0\0\0\0", 1002, id="reserved opcode"),
        pytest.param(b"\x8b\x80\0\0\0\0", 1002, id="reserved control opcode"),
        pytest.param(b"\x09\x80\0\0\0\0", 1002, id="fragmented ping"),
        pytest.param(b"\x89\xfe\x00\x7e\0\0\0\0" + bytes(126), 1002, id="long ping"),
        pytest.param(frame(b"x", Opcode.CONT), 1002, id="nothing to continue"),
        pytest.param(frame(b"x", fin=False) + frame(), 1002, id="message within a message"),
        pytest.param(close_frame(1006), 1002, id="code that nobody sends"),
        pytest.param(frame(b"x", Opcode.CLOSE), 1002, id="code of one byte"),
        pytest.param(frame(b"\xff"), 1007, id="no UTF-8"),
        pytest.param(frame(b"\xed\xa0\x80"), 1007, id="surrogate"),
        pytest.param(frame(b"\xe2\x82"), 1007, id="UTF-8 cut short"),
        pytest.param(frame(b"\xf4\x90", fin=False), 1007, id="fragment that cannot become UTF-8"),
        pytest.param(frame(b"\x03\xe8\xff", Opcode.CLOSE), 1007, id="reason that is no UTF-8"),
        pytest.param(b"\x81\xff" + (CAP_BYTES + 1).to_bytes(8, "big"), 1009, id="too long"),
        pytest.param(b"\x82\xff" + (1 << 62).to_bytes(8, "big"), 1009, id="much too long"),
    ],
)
async def test_violation_closes_with_its_code_after_what_came_before(rig: Rig, data: bytes, code: int) -> None:
    def answer(message: str | bytes) -> None:
        rig.wire.write(f"{message!r}")

    rig.recorder.on_message = answer
    await rig.says(frame(b"before") + data)
    assert await rig.recorder.ends() == code
    assert rig.recorder.heard == ["before"]
    told = await rig.hears_the_end()
    said = text_frame(b"'before'")
    assert told.startswith(said)
    assert told[len(said)] == 0x88
    assert int.from_bytes(told[len(said) + 2 : len(said) + 4], "big") == code


async def test_fragments_above_the_cap_close_with_1009(rig: Rig) -> None:
    parts = [frame(b"x" * 50_000, fin=False), *(frame(b"x" * 50_000, Opcode.CONT, fin=False) for _ in range(5))]
    sending = asyncio.create_task(rig.says(*parts))
    assert await rig.recorder.ends() == 1009
    await sending


async def test_our_close_gives_our_code_whatever_the_client_answers(rig: Rig) -> None:
    rig.wire.write("before")
    rig.wire.close(4409, "superseded")
    rig.wire.close(4507, "slow consumer")
    assert not rig.wire.write("after")
    await rig.says(frame(b"too late") + frame(b"?", Opcode.PING) + close_frame(1000))
    assert await rig.recorder.ends() == 4409
    # A FIN, and no more: a reset would be an error here.
    assert await rig.hears_the_end() == text_frame(b"before") + close_frame(4409, "superseded", mask=False)
    assert rig.recorder.heard == []


async def test_flood_after_our_close_is_dropped_and_nothing_of_it_answered(rig: Rig) -> None:
    rig.wire.close(4409, "superseded")
    sending = asyncio.create_task(rig.says((frame() + frame(b"", Opcode.PING)) * 5000 + close_frame(1000)))
    assert await rig.recorder.ends() == 4409
    await sending
    assert await rig.hears_the_end() == close_frame(4409, "superseded", mask=False)
    assert (rig.recorder.heard, rig.recorder.pings) == ([], 0)


async def test_client_that_never_answers_the_close_is_cut_off(rig: Rig) -> None:
    rig.hub.close_seconds = 0.1
    rig.wire.close(4409, "superseded")
    assert await rig.recorder.ends() == 4409
    assert rig.wire.state is State.CLOSED
    assert rig.hub.wires == set()


async def test_client_that_closes_its_side_late_is_cut_off(rig: Rig) -> None:
    rig.hub.close_seconds = 0.1
    await rig.says(close_frame(1000))
    assert await rig.recorder.ends() == 1000
    async with asyncio.timeout(ANSWER_SECONDS):
        while rig.hub.wires:
            await asyncio.sleep(0.01)


async def test_end_is_told_after_the_message_before_it(rig: Rig) -> None:
    may_go_on = asyncio.Event()

    async def wait() -> None:
        await may_go_on.wait()

    rig.recorder.on_message = lambda _: wait()
    await rig.says(frame(b"slow"))
    rig.wire.drop()
    await settled()
    assert rig.recorder.code is None
    may_go_on.set()
    assert await rig.recorder.ends() == 1006


async def test_bug_of_a_listener_is_its_to_handle(rig: Rig) -> None:
    def fail(_: str | bytes) -> None:
        raise LookupError

    async def fail_later() -> None:
        await asyncio.sleep(0)
        raise KeyError

    rig.recorder.on_message = lambda message: fail_later() if message == "later" else fail(message)
    await rig.says(frame(b"now"), frame(b"later"))
    await settled()
    assert [type(error) for error in rig.recorder.errors] == [LookupError, KeyError]


# --- Writing ------------------------------------------------------------------------------------------------


async def test_what_is_written_in_a_turn_goes_out_in_one_piece(rig: Rig) -> None:
    for number in range(3):
        assert rig.wire.write(f"{number}")
    rig.wire.ping(b"!")
    with pytest.raises(BlockingIOError):
        rig.client.recv(100)
    await settled()
    assert rig.client.recv(100) == b"".join(text_frame(b"%d" % number) for number in range(3)) + b"\x89\x01!"


async def test_pong_to_our_ping_is_told_with_its_payload(rig: Rig) -> None:
    assert rig.wire.ping(b"proof")
    await rig.hears(b"\x89\x05proof")
    await rig.says(frame(b"proof", Opcode.PONG))
    assert rig.recorder.pongs == [b"proof"]


async def test_client_that_does_not_read_is_trouble_and_gets_its_backlog_before_the_close() -> None:
    with closing(Rig(buffer_bytes=8192)) as rig:
        await rig.accepted()
        count = 0
        while not rig.recorder.troubles:
            assert rig.wire.write("x" * 1000)
            count += 1
            if count % 10 == 0:
                await settled()
            assert count < LIMIT_BYTES / 1000 * 2
        assert rig.recorder.troubles == [Trouble.SLOW_CONSUMER]
        rig.wire.close(4507, "slow consumer")
        await rig.hears(close_frame(4507, "slow consumer", mask=False))
        assert len(rig.frames()) == count + 1
        await rig.says(close_frame(4507))
        assert await rig.recorder.ends() == 4507


async def test_pongs_that_are_not_read_count() -> None:
    with closing(Rig(buffer_bytes=8192, write_limit_bytes=100_000)) as rig:
        await rig.accepted()
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(ANSWER_SECONDS):
            while not rig.recorder.troubles:
                sending = asyncio.create_task(loop.sock_sendall(rig.client, frame(b"x" * 125, Opcode.PING) * 20))
                await asyncio.wait([sending], timeout=0.2)
                sending.cancel()
        assert rig.recorder.troubles[0] is Trouble.SLOW_CONSUMER
        assert rig.wire.unwritten_bytes < 110_000


async def test_sender_by_asgi_waits_for_a_client_that_does_not_read() -> None:
    with closing(Rig(buffer_bytes=8192, write_limit_bytes=10_000)) as rig:
        await rig.accepted()

        async def send_all() -> None:
            for _ in range(100):
                await rig.wire.send({"type": "websocket.send", "text": "x" * 1000})

        sending = asyncio.create_task(send_all())
        await asyncio.wait([sending], timeout=0.1)
        assert not sending.done()
        async with asyncio.timeout(ANSWER_SECONDS):
            while not sending.done():
                await asyncio.get_running_loop().sock_recv(rig.client, 4096)
        await sending


async def test_reset_is_met_by_who_writes_and_disturbs_nobody_else() -> None:
    hub_rig, other = Rig(), Rig()
    with closing(hub_rig), closing(other):
        await hub_rig.accepted()
        await other.accepted()
        await hub_rig.says(frame(b"before"))
        hub_rig.client.close()
        hub_rig.wire.write("into the void")
        other.wire.write("here")
        await other.hears(b"here")
        assert await hub_rig.recorder.ends() == 1006
        assert not hub_rig.wire.write("more")


# --- Whose it is --------------------------------------------------------------------------------------------

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


async def test_clients_share_no_context() -> None:
    found: list[tuple[str, str]] = []
    loop = asyncio.get_running_loop()
    hub = Hub(loop, write_limit_bytes=0, max_message_bytes=CAP_BYTES)
    async with AsyncExitStack() as stack:
        pairs = []
        for name in ("alice", "bob"):
            client, server = socket.socketpair()
            stack.callback(client.close)
            for end in (client, server):
                end.setblocking(False)  # noqa: FBT003 -- the socket module's
            wire, listener = Wire(hub, server, opening(), b""), Recorder()
            stack.callback(wire.drop)
            wire.listen(listener)
            wire.accept(None, ())

            async def look(name: str) -> None:
                await asyncio.sleep(0)
                found.append((name, who.get()))
                who.set(f"{name}, in a task")

            def handle(message: str | bytes, name: str = name) -> Rest | None:
                if message == "wait":
                    return look(name)
                found.append((name, who.get()))
                who.set(name)
                return None

            listener.on_message = handle
            pairs.append((client, wire))
        for message in (b"hello", b"wait", b"hello", b"wait"):
            for client, _ in pairs:
                await loop.sock_sendall(client, frame(message))
            await settled()
            await settled()
    assert len(found) == 8
    for name, seen in found:
        assert seen in {"nobody", name, f"{name}, in a task"}
    assert who.get() == "nobody"


async def test_closed_connection_is_freed_without_the_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        for last in (close_frame(1000), b"\xff\xff", b""):
            rig = Rig()
            await rig.accepted()
            await rig.says(frame(), frame(b"a", fin=False) + frame(b"", Opcode.PING))
            gone = weakref.ref(rig.recorder), rig.wire.state
            await rig.says(last) if last else None
            rig.client.close()
            await rig.recorder.ends()
            await settled()
            recorder, hub = gone[0], rig.hub
            del rig
            await settled()
            assert recorder() is None
            assert (hub.wires, hub.tasks) == (set(), set())
    finally:
        gc.enable()
