import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from serving.contract import Trouble
from serving.send_queue import SendQueue

LIMIT = 1000


async def settled() -> None:
    """Let the writer go as far as it can."""
    for _ in range(3):
        await asyncio.sleep(0)


# As the consumer does.
CLOSES = {Trouble.SLOW_CONSUMER: (4507, "slow consumer"), Trouble.WRITE_FAILED: (1011, "internal error")}


class Server:
    """A server that takes frames at once, or makes the sender wait until there is room."""

    def __init__(self) -> None:
        self.sent: list[str | int] = []
        self.room = asyncio.Event()
        self.room.set()
        self.fault: Exception | None = None

    async def take_in(self, message: dict[str, Any]) -> None:
        await self.room.wait()
        if self.fault is not None:
            raise self.fault
        self.sent.append(message["text"] if message["type"] == "websocket.send" else message["code"])

    async def has_sent(self, count: int) -> list[str | int]:
        while len(self.sent) < count:
            await asyncio.sleep(0)
        return self.sent


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def overflows() -> list[Trouble]:
    return []


@pytest.fixture
def outbound(server: Server, overflows: list[Trouble]) -> SendQueue:
    return SendQueue(server.take_in, LIMIT, overflows.append)


async def test_frame_goes_out_in_the_next_turn_where_there_is_room(
    server: Server, outbound: SendQueue, tasks_left: Callable[[], set[str]]
) -> None:
    for number in range(100):
        assert outbound.write(str(number))
        await settled()
        assert server.sent[-1] == str(number)
    assert tasks_left() == set()


async def test_frames_wait_in_order_where_there_is_none(
    server: Server, outbound: SendQueue, tasks_left: Callable[[], set[str]]
) -> None:
    outbound.write("first")
    await settled()
    server.room.clear()
    for number in range(50):
        assert outbound.write(str(number))
    assert server.sent == ["first"]
    assert len(tasks_left()) == 1
    server.room.set()
    outbound.write("last")
    assert await server.has_sent(52) == ["first", *map(str, range(50)), "last"]
    await settled()
    outbound.write("at once again")
    await settled()
    assert server.sent[-1] == "at once again"
    assert tasks_left() == set()


async def test_frames_keep_their_order_when_room_comes_and_goes(server: Server, outbound: SendQueue) -> None:
    expected: list[str | int] = []
    for number in range(300):
        if number % 3 == 0:
            server.room.clear()
        outbound.write(str(number))
        expected.append(str(number))
        if number % 3 == 2:
            server.room.set()
            for _ in range(number % 7):
                await asyncio.sleep(0)
    server.room.set()
    assert await server.has_sent(300) == expected


async def test_slow_consumer_is_reported_and_closed_once(server: Server, tasks_left: Callable[[], set[str]]) -> None:
    overflows: list[Trouble] = []

    def close(trouble: Trouble) -> None:
        overflows.append(trouble)
        slow.close(*CLOSES[trouble])

    slow = SendQueue(server.take_in, LIMIT, close)
    server.room.clear()
    for _ in range(100):
        slow.write("x" * 100)
    # Until the server has had its chance, there may be room.
    assert overflows == []
    await settled()
    assert overflows == [Trouble.SLOW_CONSUMER]
    assert not slow.write("too late")
    server.room.set()
    # What the server was writing already goes out, then the close and nothing else.
    assert await server.has_sent(2) == ["x" * 100, 4507]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert server.sent[2:] == []
    assert tasks_left() == set()


async def test_backlog_up_to_the_limit_is_no_overflow(
    server: Server, outbound: SendQueue, overflows: list[Trouble]
) -> None:
    server.room.clear()
    # The first is the server's.
    for _ in range(11):
        outbound.write("x" * 100)
    await settled()
    assert overflows == []
    outbound.write("x")
    assert overflows == [Trouble.SLOW_CONSUMER]
    server.room.set()
    await server.has_sent(12)


async def test_backlog_that_was_sent_no_longer_counts(
    server: Server, outbound: SendQueue, overflows: list[Trouble]
) -> None:
    for round_number in range(20):
        server.room.clear()
        for _ in range(10):
            outbound.write("x" * 100)
        server.room.set()
        await server.has_sent((round_number + 1) * 10)
        await settled()
    assert overflows == []


async def test_backlog_counts_bytes(server: Server, outbound: SendQueue, overflows: list[Trouble]) -> None:
    server.room.clear()
    outbound.write("first")
    for _ in range(4):
        outbound.write("\u20ac" * 100)
    await settled()
    assert overflows == [Trouble.SLOW_CONSUMER]
    outbound.unsent()


async def test_limit_that_is_off_never_overflows(server: Server, overflows: list[Trouble]) -> None:
    outbound = SendQueue(server.take_in, 0, overflows.append)
    server.room.clear()
    for _ in range(100):
        outbound.write("x" * 1000)
    assert overflows == []
    server.room.set()
    await server.has_sent(100)


async def test_close_goes_out_once_and_nothing_after_it(server: Server, outbound: SendQueue) -> None:
    outbound.write("frame")
    await settled()
    outbound.close(4409, "superseded")
    outbound.close(4507, "slow consumer")
    assert not outbound.write("frame")
    await settled()
    assert server.sent == ["frame", 4409]


async def test_close_goes_out_in_place_of_what_waits(server: Server, outbound: SendQueue) -> None:
    server.room.clear()
    for number in range(5):
        outbound.write(str(number))
    await settled()
    outbound.close(4409, "superseded")
    server.room.set()
    assert await server.has_sent(2) == ["0", 4409]


async def test_close_goes_out_after_what_there_is_room_for(server: Server, outbound: SendQueue) -> None:
    for number in range(5):
        outbound.write(str(number), {"type": "client.message"} if number % 2 else None)
    # As a connection does that is closed.
    assert len(outbound.unsent()) == 2
    outbound.close(4429, "too many requests")
    assert await server.has_sent(4) == ["0", "2", "4", 4429]


async def test_burst_longer_than_the_limit_is_none_where_there_is_room(
    server: Server, outbound: SendQueue, overflows: list[Trouble]
) -> None:
    for _ in range(50):
        outbound.write("x" * 100)
    await server.has_sent(50)
    assert overflows == []


async def test_unsent_gives_back_the_events_that_wait(
    server: Server, outbound: SendQueue, tasks_left: Callable[[], set[str]]
) -> None:
    events = [{"type": "client.message", "frame": str(number)} for number in range(5)]
    outbound.write("0", events[0])
    await settled()
    server.room.clear()
    outbound.write("1", events[1])
    outbound.write("a reply")
    for event in events[2:]:
        outbound.write(event["frame"], event)
    await settled()
    assert outbound.unsent() == events[1:]
    assert outbound.unsent() == []
    outbound.close(4409, "superseded")
    server.room.set()
    assert await server.has_sent(2) == ["0", 4409]
    await asyncio.sleep(0)
    assert tasks_left() == set()


async def test_unsent_of_a_writer_that_runs_gives_each_event_once(server: Server, outbound: SendQueue) -> None:
    events = [{"type": "client.message", "frame": str(number)} for number in range(5)]
    server.room.clear()
    for event in events:
        outbound.write(event["frame"], event)
    await asyncio.sleep(0)
    assert outbound.unsent() == events
    server.room.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert server.sent == []
    assert outbound.write("another")
    await settled()
    assert server.sent == ["another"]


async def test_client_that_is_gone_is_no_error(
    server: Server, outbound: SendQueue, tasks_left: Callable[[], set[str]]
) -> None:
    server.fault = ConnectionResetError()
    event = {"type": "client.message", "frame": "frame"}
    assert outbound.write("frame", event)
    await settled()
    assert not outbound.write("frame")
    assert outbound.unsent() == [event]
    assert tasks_left() == set()
    outbound.close(4409, "superseded")
    await settled()
    assert server.sent == []


async def test_client_that_goes_while_frames_wait_leaves_them_unsent(server: Server, outbound: SendQueue) -> None:
    events = [{"type": "client.message", "frame": str(number)} for number in range(3)]
    server.room.clear()
    for event in events:
        outbound.write(event["frame"], event)
    server.fault = ConnectionResetError()
    server.room.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert outbound.unsent() == events


# --- A server that raises -----------------------------------------------------------------------------------


class BrokenWriterError(Exception):
    """Nothing that ASGI knows of."""


class OtherBrokenWriterError(Exception):
    """Another one."""


@pytest.fixture
def closes() -> list[Trouble]:
    return []


@pytest.fixture
def broken(server: Server, closes: list[Trouble]) -> SendQueue:
    """Closes itself as a consumer does."""

    def shut(trouble: Trouble) -> None:
        closes.append(trouble)
        closing.close(*CLOSES[trouble])

    closing = SendQueue(server.take_in, LIMIT, shut)
    return closing


@pytest.mark.parametrize("kind", [BrokenWriterError, ValueError, RuntimeError])
async def test_server_that_raises_closes_the_one_client(
    server: Server, broken: SendQueue, closes: list[Trouble], kind: type[Exception]
) -> None:
    server.fault = kind("nothing to tell")
    broken.write("frame")
    await settled()
    assert closes == [Trouble.WRITE_FAILED]
    server.fault = None
    assert not broken.write("after a gap")
    await settled()
    assert server.sent == []


async def test_server_that_raises_later_leaves_what_waits_unsent(
    server: Server, closes: list[Trouble], tasks_left: Callable[[], set[str]]
) -> None:
    left: list[Any] = []

    def shut(trouble: Trouble) -> None:
        closes.append(trouble)
        left.extend(failing.unsent())
        failing.close(*CLOSES[trouble])

    failing = SendQueue(server.take_in, LIMIT, shut)
    events = [{"type": "client.message", "frame": str(number)} for number in range(3)]
    server.room.clear()
    for event in events:
        failing.write(event["frame"], event)
    server.fault = BrokenWriterError()
    server.room.set()
    while tasks_left():
        await asyncio.sleep(0)
    assert closes == [Trouble.WRITE_FAILED]
    assert left == events


async def test_close_goes_out_after_a_write_that_failed_later(
    server: Server, tasks_left: Callable[[], set[str]]
) -> None:
    def shut(trouble: Trouble) -> None:
        # It was this one frame.
        server.fault = None
        failing.close(*CLOSES[trouble])

    failing = SendQueue(server.take_in, LIMIT, shut)
    server.room.clear()
    for _ in range(3):
        failing.write("frame")
    server.fault = BrokenWriterError()
    server.room.set()
    while tasks_left():
        await asyncio.sleep(0)
    assert server.sent == [1011]


async def test_failed_write_is_logged_once_for_each_kind(
    server: Server, outbound: SendQueue, caplog: pytest.LogCaptureFixture
) -> None:
    server.fault = OtherBrokenWriterError("words of a client")
    for _ in range(3):
        outbound.write("frame")
        await settled()
    (record,) = caplog.records
    assert "OtherBrokenWriterError" in record.getMessage()
    assert record.exc_info is not None
