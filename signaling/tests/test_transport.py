import asyncio
from functools import partial
from typing import Any

import pytest

from signaling.transport import UNHANDLED_EVENTS, CorkedTransport, Transport


class AsyncioTransport:
    """What uvicorn writes to."""

    def get_write_buffer_size(self) -> int:
        return 7


class WrittenTransport(AsyncioTransport):
    """One that remembers."""

    def __init__(self) -> None:
        self.came: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.came.append(data)

    def close(self) -> None:
        self.came.append("closed")


class TwistedTransport:
    """What daphne writes to: written so far, and waiting."""

    dataBuffer = b"0123456789"  # noqa: N815 -- Twisted's names
    offset = 4
    _tempDataLen = 20  # noqa: N815 -- likewise


class Protocol:
    """A server's end of a connection, of uvicorn's kind and of daphne's."""

    def __init__(self, transport: object = None) -> None:
        self.transport = transport
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.read_paused = False
        self.answered = 0
        self.disconnected = False
        self.close_sent = False
        self.state = 3

    async def send(self, message: dict[str, Any]) -> None:
        raise NotImplementedError(message)

    def handle_ping(self) -> None:
        self.answered += 1


async def handle_reply(protocol: object, message: object) -> None:
    raise NotImplementedError(protocol, message)


async def plain(message: object) -> None:
    raise NotImplementedError(message)


UNKNOWN = [Protocol().send, Protocol(object()).send, partial(handle_reply, object()), plain]


@pytest.mark.parametrize(
    ("send", "size"),
    [
        (Protocol(AsyncioTransport()).send, 7),
        (partial(handle_reply, Protocol(TwistedTransport())), 26),
        *((send, 0) for send in UNKNOWN),
    ],
)
async def test_buffered_bytes_are_what_the_server_says(send: Any, size: int) -> None:
    assert Transport(send).buffered_bytes() == size


def test_buffered_bytes_follow_the_server() -> None:
    protocol = Protocol(TwistedTransport())
    transport = Transport(partial(handle_reply, protocol))
    TwistedTransport._tempDataLen, before = 0, TwistedTransport._tempDataLen  # noqa: SLF001 -- Twisted's names
    try:
        assert transport.buffered_bytes() == 6
    finally:
        TwistedTransport._tempDataLen = before  # noqa: SLF001 -- likewise
    protocol.transport = None
    assert transport.buffered_bytes() == 0


@pytest.mark.parametrize("send", UNKNOWN)
def test_connection_of_an_unknown_server_is_taken_for_open(send: Any) -> None:
    assert Transport(send).is_open()


@pytest.mark.parametrize("name", ["disconnected", "close_sent"])
async def test_connection_that_uvicorn_closed_is_not_open(name: str) -> None:
    protocol = Protocol(AsyncioTransport())
    transport = Transport(protocol.send)
    assert transport.is_open()
    setattr(protocol, name, True)
    assert not transport.is_open()


@pytest.mark.parametrize("state", [0, 1, 2, 4, 5])
def test_connection_that_daphne_closed_is_not_open(state: int) -> None:
    protocol = Protocol(TwistedTransport())
    transport = Transport(partial(handle_reply, protocol))
    assert transport.is_open()
    protocol.state = state
    assert not transport.is_open()


def test_pings_are_noticed_and_answered() -> None:
    protocol = Protocol()
    seen: list[str] = []
    Transport(protocol.send).watch_pings(lambda: seen.append("ping"))
    protocol.handle_ping()
    protocol.handle_ping()
    assert seen == ["ping", "ping"]
    assert protocol.answered == 2


@pytest.mark.parametrize("send", [plain, partial(handle_reply, object())])
def test_pings_of_a_server_that_says_nothing_are_left_alone(send: Any) -> None:
    Transport(send).watch_pings(lambda: None)


async def test_corked_transport_writes_once_a_turn() -> None:
    written = WrittenTransport()
    corked = CorkedTransport(written)
    for data in (b"one ", b"two ", b"three"):
        corked.write(data)
    assert written.came == []
    assert corked.get_write_buffer_size() == 7 + 13
    await asyncio.sleep(0)
    assert written.came == [b"one two three"]
    assert corked.get_write_buffer_size() == 7


async def test_corked_transport_writes_before_it_closes() -> None:
    written = WrittenTransport()
    corked = CorkedTransport(written)
    corked.write(b"last words")
    corked.close()
    await asyncio.sleep(0)
    assert written.came == [b"last words", "closed"]


FRAME = {"type": "websocket.receive", "text": "hello"}


async def test_event_is_handed_over_as_it_arrives() -> None:
    protocol = Protocol(AsyncioTransport())
    taken: list[dict[str, Any]] = []
    Transport(protocol.send).hand_over(taken.append)
    protocol.queue.put_nowait(FRAME)
    assert taken == [FRAME]
    assert protocol.queue.empty()


async def test_event_that_is_not_taken_is_queued() -> None:
    protocol = Protocol(AsyncioTransport())
    Transport(protocol.send).hand_over(lambda event: {**event, "seen": True})
    protocol.queue.put_nowait(FRAME)
    assert await protocol.queue.get() == {**FRAME, "seen": True}


async def test_event_waits_behind_those_that_came_before_it() -> None:
    protocol = Protocol(AsyncioTransport())
    taken: list[dict[str, Any]] = []
    protocol.queue.put_nowait({"type": "websocket.connect"})
    Transport(protocol.send).hand_over(taken.append)
    protocol.queue.put_nowait(FRAME)
    assert taken == []
    assert [await protocol.queue.get(), await protocol.queue.get()] == [{"type": "websocket.connect"}, FRAME]


async def test_uvicorn_stops_reading_only_when_many_events_wait() -> None:
    protocol = Protocol(AsyncioTransport())
    Transport(protocol.send).hand_over(lambda event: event)
    for _ in range(UNHANDLED_EVENTS - 1):
        protocol.queue.put_nowait(FRAME)
    assert protocol.read_paused
    protocol.queue.put_nowait(FRAME)
    assert not protocol.read_paused


async def test_unknown_server_queues_its_events_itself() -> None:
    Transport(plain).hand_over(lambda event: event)
