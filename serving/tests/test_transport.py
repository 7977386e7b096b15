import asyncio
from typing import Any

import pytest

from serving.transport import EXTENSION, Event, EventQueue, PlainTransport, Transport, transport_of

FRAME: Event = {"type": "websocket.receive", "text": "hello"}
CLOSED = "websocket.disconnect"


async def receive() -> Event:
    raise NotImplementedError


async def send(event: Event) -> None:
    raise NotImplementedError(event)


async def wrapped(*event: Event) -> Any:
    raise NotImplementedError(event)


def own_transport() -> Transport:
    return PlainTransport(receive, send)


def test_transport_of_the_server_is_used() -> None:
    own = own_transport()
    assert transport_of({"extensions": {EXTENSION: own}}, receive, send) is own


@pytest.mark.parametrize("scope", [{}, {"extensions": {}}, {"extensions": {"websocket.http.response": {}}}])
def test_server_without_a_transport_is_plain(scope: dict[str, Any]) -> None:
    found = transport_of(scope, receive, send)
    assert isinstance(found, PlainTransport)
    assert (found.receive, found.send) == (receive, send)


@pytest.mark.parametrize("ends", [(wrapped, send), (receive, wrapped)])
def test_what_a_middleware_wraps_is_not_passed_by(ends: tuple[Any, Any]) -> None:
    own = own_transport()
    found = transport_of({"extensions": {EXTENSION: own}}, *ends)
    assert found is not own
    assert isinstance(found, PlainTransport)
    assert (found.receive, found.send) == ends


@pytest.mark.parametrize(
    ("event", "code"),
    [
        pytest.param({"code": 1000, "reason": ""}, 1000, id="a close frame"),
        pytest.param({"code": 1001}, 1001, id="of a server that tells no reasons"),
        pytest.param({"code": 1005, "reason": ""}, 1005, id="a close frame without a code"),
        pytest.param({"code": 1005}, 1006, id="a lost connection on uvicorn"),
        pytest.param({"code": 1006, "reason": ""}, 1006, id="a lost connection elsewhere"),
        pytest.param({"code": None}, 1006, id="a close frame without a code on plain daphne"),
        pytest.param({}, 1006, id="nothing at all"),
    ],
)
def test_close_code_over_plain_asgi_is_clean_only_where_it_must_be(event: Event, code: int) -> None:
    assert own_transport().close_code({"type": CLOSED, **event}) == code


async def test_event_is_given_to_who_takes_it() -> None:
    queue, taken = EventQueue(), list[Event]()
    queue.take = taken.append
    queue.put_nowait(FRAME)
    assert taken == [FRAME]
    assert queue.empty()


async def test_event_that_is_left_is_queued() -> None:
    queue = EventQueue()
    queue.take = lambda event: {**event, "seen": True}
    queue.put_nowait(FRAME)
    assert await queue.get() == {**FRAME, "seen": True}


async def test_event_waits_behind_those_that_came_before_it() -> None:
    queue, taken = EventQueue(), list[Event]()
    queue.put_nowait({"type": "websocket.connect"})
    queue.take = taken.append
    queue.put_nowait(FRAME)
    assert taken == []
    assert [await queue.get(), await queue.get()] == [{"type": "websocket.connect"}, FRAME]


async def test_event_that_nobody_takes_is_queued() -> None:
    queue = EventQueue()
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.put_nowait(FRAME)
    assert await waiting == FRAME
