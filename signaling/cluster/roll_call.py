"""Roll calls: a process asks all processes for their clients, or to disconnect one.

Only a client's own process knows when it last sent something, so Redis cannot answer. A question and its answer are
events of the channel layer: each process has a channel for questions, and each question a channel for its answers.
"""

import asyncio
import heapq
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple, Protocol

from signaling.connections.connection import Connection
from signaling.connections.returns import note_unknown
from signaling.delivery.events import DISCONNECT, Event, group_of
from signaling.delivery.layers import LoopLayer
from signaling.protocol.errors import UnavailableError

# A process that takes longer is shown as one that does not answer; an operator waits for this page.
ANSWER_SECONDS = 1.0

FIND, DISCONNECT_CLIENT, ANSWER = "presence.find", "presence.disconnect", "presence.answer"


class Connected(Protocol):
    """A consumer, as far as a roll call reads it."""

    connection: Connection
    connected_at: float
    last_seen: float


class Presence(NamedTuple):
    """A registered client: for how long it has been connected, and silent."""

    client_id: str
    connected_seconds: float
    silent_seconds: float
    calls: int
    process: str


@dataclass(frozen=True, slots=True)
class Found:
    """The first clients by ID, the number of all, and the number of clients of each process that did not answer."""

    clients: list[Presence]
    total: int
    silent: dict[str, int]


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The outcome of a disconnect, and the number of clients of each process that did not answer."""

    was_connected: bool
    silent: dict[str, int]


class RollCall:
    """Asks processes about their clients, and answers for this process, whose connections are `members`.

    `processes` is always the number of registered clients by process.
    """

    def __init__(self, layer: LoopLayer, members: Collection[Connected]) -> None:
        self._layer = layer
        self._members = members
        self._answering: set[asyncio.Task[None]] = set()
        layer.attach(_channel_of(layer.process), self._answer_question)

    async def find(self, processes: Mapping[str, int], text: str, most: int) -> Found:
        """Find the clients whose ID contains `text` in any case: the first `most` by ID, and their number."""
        answers = await self._ask(processes, {"type": FIND, "text": text, "most": most})
        clients = [Presence(*client) for answer in answers.values() for client in answer["clients"]]
        return Found(
            heapq.nsmallest(most, clients, key=attrgetter("client_id")),
            sum(answer["total"] for answer in answers.values()),
            _silent(processes, answers),
        )

    async def disconnect(self, processes: Mapping[str, int], client_id: str) -> Disconnected:
        """Close the client's connection with 4503; its calls are held."""
        answers = await self._ask(processes, {"type": DISCONNECT_CLIENT, "client_id": client_id})
        return Disconnected(any(answer["total"] for answer in answers.values()), _silent(processes, answers))

    async def _ask(self, processes: Collection[str], question: Event) -> dict[str, Event]:
        answers: dict[str, Event] = {}
        is_complete = asyncio.Event()

        def note(answer: Event) -> None:
            if answer["type"] != ANSWER:
                note_unknown(answer)
                return
            answers[answer["process"]] = answer
            if len(answers) >= len(processes):
                is_complete.set()

        channel = await self._layer.new_channel()
        self._layer.attach(channel, note)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                for process in processes:
                    await self._layer.send(_channel_of(process), {**question, "reply_to": channel})
                await is_complete.wait()
        except (TimeoutError, UnavailableError):
            # The caller names the processes that have not answered by now.
            pass
        finally:
            self._layer.detach(channel)
        return answers

    def _answer_question(self, question: Event) -> None:
        if question["type"] not in {FIND, DISCONNECT_CLIENT}:
            # The process that asked lists this one as silent.
            note_unknown(question)
            return
        answer = self._answer(question)
        task = asyncio.create_task(self._reply(question["reply_to"], answer))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _reply(self, channel: str, answer: Event) -> None:
        try:
            await self._layer.send(channel, {"type": ANSWER, "process": self._layer.process, **answer})
        except UnavailableError:
            # The process that asked waits no longer than a second.
            return

    def _answer(self, question: Event) -> Event:
        if question["type"] == DISCONNECT_CLIENT:
            group = group_of(question["client_id"])
            return {"total": self._layer.deliver_to_group(group, {"type": DISCONNECT})}
        text = question["text"].lower()
        found = [member for member in self._members if text in (member.connection.client_id or "").lower()]
        registered = [member for member in found if member.connection.client_id is not None]
        first = heapq.nsmallest(question["most"], registered, key=attrgetter("connection.client_id"))
        now = time.monotonic()
        clients = [list(_describe(member, now, self._layer.process)) for member in first]
        return {"total": len(registered), "clients": clients}


def _describe(member: Connected, now: float, process: str) -> Presence:
    connection = member.connection
    client_id = connection.client_id or ""
    return Presence(client_id, now - member.connected_at, now - member.last_seen, len(connection.legs), process)


def _silent(processes: Mapping[str, int], answers: Collection[str]) -> dict[str, int]:
    return {process: clients for process, clients in processes.items() if process not in answers}


def _channel_of(process: str) -> str:
    return f"specific.{process}!presence"
