"""Server processes as a test that waits for nobody sees them: each is an event loop in a thread of its own."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine
from operator import itemgetter
from typing import Any, TypeVar

from signaling.cluster import node
from signaling.cluster.node import Node
from signaling.tests.model import Message
from signaling.tests.people import ANSWER_SECONDS, HandingOver, connect
from signaling.tests.stage import PATIENCE_SECONDS

T = TypeVar("T")

CLOSE = "close"
# Tasks that end when what was sent has arrived, or has been told of.
ON_THE_WAY = {"Relay._empty", "Connection.reconcile"}


class Process:
    """A loop, and the node in it; everything here is called from outside of the loop."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.node, self._own = self.run(_start(clock))

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(PATIENCE_SECONDS)

    def renew_lease(self) -> None:
        """Say that the process lives, where somebody asks."""
        self.run(self.node.cluster.renew_lease())

    def sweep(self) -> None:
        """End what is due, and tell everybody."""

        async def sweep() -> None:
            await self.node.relay.announce(await self.node.registry.sweep())

        self.run(sweep())

    def deliver(self) -> None:
        """Wait until nothing is on its way out of the process."""

        async def deliver() -> None:
            under_way = [task for task in asyncio.all_tasks() if _name(task) in ON_THE_WAY]
            await asyncio.gather(*under_way)

        self.run(deliver())

    def tasks_left(self) -> set[str]:
        """Name the tasks that run, besides the node's own."""

        async def names() -> set[str]:
            return {_name(task) for task in asyncio.all_tasks() - {asyncio.current_task()} - self._own}

        return self.run(names())

    def stop(self) -> None:
        """End the node and the loop, and whoever is still connected."""

        async def stop() -> None:
            connected = asyncio.all_tasks() - {asyncio.current_task()} - self._own
            for task in connected:
                task.cancel()
            await asyncio.gather(*connected, return_exceptions=True)
            await node.stop()

        try:
            self.run(stop())
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
            self.loop.close()


async def _start(clock: Callable[[], float]) -> tuple[Node, set[asyncio.Task[Any]]]:
    return await node.current(clock), {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


class Line:
    """A WebSocket to a process, and who is registered on it."""

    def __init__(self, process: Process, *, can_ping: bool = False) -> None:
        self.process = process
        self._server = HandingOver(can_ping=can_ping)
        self._answered: set[bytes] = set()
        self._person = process.run(connect(server=self._server))

    def post(self, *messages: Message | str | bytes) -> None:
        """Send messages, or frames as they are, all in one read of the server; waits for nothing."""
        events = [_event(message) for message in messages]
        put = self._person.socket.input_queue.put_nowait

        def put_all() -> None:
            for event in events:
                put(event)

        # A server reads in no task.
        self.process.loop.call_soon_threadsafe(put_all)

    def read(self, count: int) -> list[Message]:
        """Wait for so many messages."""

        async def read() -> list[Message]:
            return [_comparable(await self._person.socket.receive_output(ANSWER_SECONDS)) for _ in range(count)]

        return self.process.run(read()) if count else []

    def read_up_to(self, *last: str) -> list[Message]:
        """Wait for a message of one of these types; returns what came, and it at the end."""

        async def read() -> list[Message]:
            came: list[Message] = []
            while not came or came[-1][0] not in last:
                came.append(_comparable(await self._person.socket.receive_output(ANSWER_SECONDS)))
            return came

        return self.process.run(read())

    def read_what_came(self) -> list[Message]:
        """Read what is there, and wait for nothing."""
        return self.read(self._person.socket.output_queue.qsize())

    def settle(self) -> tuple[list[Message], bool]:
        """Wait until all that was sent has been handled; returns what came meanwhile, and whether the line is open."""
        self.post(("HEARTBEAT", {}))
        *came, last = self.read_up_to("HEARTBEAT_ACK", CLOSE)
        # That a candidate was refused may be told after answers to later messages, and a close may follow.
        self.process.deliver()
        late = self.read_what_came()
        is_open = CLOSE not in {last[0], *(message_type for message_type, _ in late)}
        return [*came, *(message for message in late if message[0] != CLOSE)], is_open

    def pong(self) -> int | None:
        """Answer the last ping, once; returns how many relayed messages were written before it."""

        async def pong() -> int | None:
            websocket = self._server.websocket
            payload, relayed = websocket.pings[-1] if websocket.pings else (b"", 0)
            if not payload or payload in self._answered:
                return None
            self._answered.add(payload)
            websocket.listener.ponged(payload)
            return relayed

        return self.process.run(pong())

    def hang_up(self, code: int) -> None:
        """Go, with the code that the server sees; waits for nothing."""
        put, event = self._person.socket.input_queue.put_nowait, {"type": "websocket.disconnect", "code": code}
        self.process.loop.call_soon_threadsafe(put, event)

    def is_gone(self) -> None:
        """Wait until the server has cleaned up."""
        self.process.run(self._person.socket.wait(ANSWER_SECONDS))


def _event(message: Message | str | bytes) -> dict[str, Any]:
    if isinstance(message, bytes):
        return {"type": "websocket.receive", "bytes": message}
    if isinstance(message, tuple):
        message = json.dumps({"type": message[0], "payload": message[1]})
    return {"type": "websocket.receive", "text": message}


def _comparable(event: dict[str, Any]) -> Message:
    """Leave out what nobody can know beforehand, but not that it is there."""
    if event["type"] == "websocket.close":
        return CLOSE, {"code": event["code"]}
    message = json.loads(event["text"])
    message_type, payload = message["type"], message["payload"]
    if message_type in {"REGISTERED", "INCOMING_CALL", "CALL_ACCEPTED"}:
        assert isinstance(payload.pop("iceServers"), list)
        # In any order.
        payload.get("calls", []).sort(key=itemgetter("callId"))
    elif message_type == "ERROR":
        assert payload.pop("message")
        assert (payload.pop("retryAfterMs", 0) > 0) == (payload["code"] == "RATE_LIMITED")
    return message_type, payload


def _name(task: asyncio.Task[Any]) -> str:
    return getattr(task.get_coro(), "__qualname__", "")
