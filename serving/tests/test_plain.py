"""Which of two contracts an application gets, and what plain ASGI has of it."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from serving.contract import EXTENSION, Event
from serving.plain import PlainWebSocket, close_code, websocket_of
from serving.tests.rig import Recorder

LIMIT = 1000
CLOSED = "websocket.disconnect"


async def receive() -> Event:
    raise NotImplementedError


async def send(event: Event) -> None:
    raise NotImplementedError(event)


async def wrapped(*event: Event) -> Any:
    raise NotImplementedError(event)


def own_end() -> Any:
    return SimpleNamespace(receive=receive, send=send, wire=PlainWebSocket(receive, send, LIMIT))


def test_websocket_of_the_server_is_used() -> None:
    own = own_end()
    assert websocket_of({"extensions": {EXTENSION: own}}, receive, send, LIMIT) is own.wire


@pytest.mark.parametrize("scope", [{}, {"extensions": {}}, {"extensions": {"websocket.http.response": {}}}])
def test_server_without_one_is_plain(scope: dict[str, Any]) -> None:
    assert isinstance(websocket_of(scope, receive, send, LIMIT), PlainWebSocket)


@pytest.mark.parametrize("ends", [(wrapped, send), (receive, wrapped)])
def test_what_a_middleware_wraps_is_not_passed_by(ends: tuple[Any, Any]) -> None:
    own = own_end()
    found = websocket_of({"extensions": {EXTENSION: own}}, *ends, LIMIT)
    assert found is not own.wire
    assert isinstance(found, PlainWebSocket)


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
    assert close_code({"type": CLOSED, **event}) == code


class Server:
    """A server's end, with what came and what was sent."""

    def __init__(self, *events: Event) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        for event in ({"type": "websocket.connect"}, *events):
            self.events.put_nowait(event)
        self.sent: list[Event] = []

    async def send(self, event: Event) -> None:
        self.sent.append(event)


async def test_listener_is_told_until_the_end() -> None:
    server = Server(
        {"type": "websocket.receive", "text": "hello"},
        {"type": "websocket.receive", "bytes": b"\x00"},
        {"type": "websocket.ping"},
        {"type": CLOSED, "code": 1001},
    )
    recorder = Recorder()
    plain = PlainWebSocket(server.events.get, server.send, LIMIT)
    assert not plain.ping(b"proof")
    await plain.serve(recorder)
    assert (recorder.heard, recorder.pings, recorder.code) == (["hello", b"\x00"], 1, 1001)


async def test_next_message_waits_until_the_last_one_is_handled() -> None:
    server = Server(*({"type": "websocket.receive", "text": text} for text in ("slow", "then")))
    recorder, may_go_on = Recorder(), asyncio.Event()

    async def wait() -> None:
        await may_go_on.wait()

    recorder.on_message = lambda message: wait() if message == "slow" else None
    serving = asyncio.create_task(PlainWebSocket(server.events.get, server.send, LIMIT).serve(recorder))
    while not recorder.heard:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert recorder.heard == ["slow"]
    may_go_on.set()
    server.events.put_nowait({"type": CLOSED, "code": 1000})
    await serving
    assert recorder.heard == ["slow", "then"]


async def test_listener_is_told_of_the_end_when_the_application_is_cancelled() -> None:
    server, recorder = Server(), Recorder()
    serving = asyncio.create_task(PlainWebSocket(server.events.get, server.send, LIMIT).serve(recorder))
    await asyncio.sleep(0)
    serving.cancel()
    await asyncio.wait([serving])
    assert recorder.code == 1006


async def test_messages_go_out_in_order_whichever_way_they_are_sent() -> None:
    server = Server()
    plain = PlainWebSocket(server.events.get, server.send, LIMIT)
    await plain.send({"type": "websocket.accept"})
    plain.write("a")
    await plain.send({"type": "websocket.send", "text": "b"})
    plain.write("c")
    for _ in range(3):
        await asyncio.sleep(0)
    await plain.send({"type": "websocket.close", "code": 4409, "reason": "superseded"})
    for _ in range(3):
        await asyncio.sleep(0)
    assert [event.get("text") for event in server.sent[1:4]] == ["a", "b", "c"]
    assert server.sent[-1] == {"type": "websocket.close", "code": 4409, "reason": "superseded"}
