"""Returns events that a process does not know to their senders: two versions of the server share one Redis.

How it works
------------
PUBLISH says how many processes received an event, not whether they understood it. A process that does not know an
event returns it to the channel that is the event's `sender`; the connection there replies an `ERROR` to its client.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from msgspec import UNSET, UnsetType

from signaling.delivery.events import RETURNED, Event
from signaling.delivery.layers import LoopLayer
from signaling.protocol.calls import Action, EndReason, Leg, State
from signaling.protocol.decoding import named_in
from signaling.protocol.errors import CallNotFoundError, ProtocolError, UnavailableError
from signaling.registry.contract import Registry
from signaling.registry.outcomes import Ended
from signaling.telemetry.counters import counters

logger = logging.getLogger(__name__)

# The first of each kind is logged, for this many kinds.
MOST_KINDS = 100


class Answer(NamedTuple):
    """The error for the sender of a returned message, and whether its call ends."""

    request: str
    error: type[UnavailableError | CallNotFoundError]
    ends_call: bool = False


# By the type of the message that did not arrive. A call that does not ring can be placed again with the same ID; an
# answer cannot be repeated; a call that was closed stays closed.
ANSWERS = {
    "INCOMING_CALL": Answer("CALL_INITIATE", UnavailableError, ends_call=True),
    "CALL_ACCEPTED": Answer("CALL_ACCEPT", CallNotFoundError, ends_call=True),
    "CALL_REJECTED": Answer("CALL_REJECT", CallNotFoundError),
    "CALL_ENDED": Answer("CALL_END", CallNotFoundError),
    "ICE_CANDIDATE": Answer("ICE_CANDIDATE", UnavailableError),
}


class Peer(Protocol):
    """The part of a connection that is used here, be it the sender or the receiver."""

    client_id: str | None
    legs: dict[str, Leg]

    @property
    def registry(self) -> Registry:
        """The registry that knows its calls."""

    async def reconcile(self) -> None:
        """Rejoin: ask the registry which calls stand, and whether a newer connection waits."""

    def refuse(self, error: ProtocolError, request: str | UnsetType = UNSET, call_id: str | UnsetType = UNSET) -> None:
        """Reply `ERROR`."""


class Returns:
    """Returns events that are not known here, and answers those that other processes return.

    `announce` sends `CALL_ENDED` to the clients of calls that ended.
    """

    def __init__(self, layer: LoopLayer, announce: Callable[[list[Ended]], Awaitable[None]]) -> None:
        self._layer = layer
        self._announce = announce
        self._tasks: set[asyncio.Task[None]] = set()
        # The sender of events that no connection sent, and of batches.
        self.channel = f"specific.{layer.process}!returns"
        layer.attach(self.channel, self._hear)

    def return_unknown(self, event: Event, receiver: Peer) -> None:
        """Return an event that is not known here to its sender, and have its receiver ask the registry."""
        note_unknown(event)
        self._start(receiver.reconcile())
        sender = event.get("sender")
        if isinstance(sender, str):
            self._start(self._return(sender, event))

    def answer_returned(self, event: Event, sender: Peer) -> None:
        """Reply an `ERROR` to the client of the connection that sent `event`, which its peer's process did not know."""
        _note_returned(event)
        message_type, call_id = named_in(event.get("frame"))
        answer = ANSWERS.get(str(message_type))
        if answer is not None and isinstance(call_id, str):
            self._start(self._tell(sender, answer, call_id))

    def _hear(self, event: Event) -> None:
        if event["type"] != RETURNED:
            note_unknown(event)
            return
        parts = event["event"].get("events")
        if parts is None:
            # The server itself sent it: there is no client to tell.
            _note_returned(event["event"])
            return
        for part in parts:
            self._layer.deliver((part["sender"],), {"type": RETURNED, "event": part})

    async def _return(self, sender: str, event: Event) -> None:
        with contextlib.suppress(UnavailableError):
            await self._layer.send(sender, {"type": RETURNED, "event": event})

    async def _tell(self, sender: Peer, answer: Answer, call_id: str) -> None:
        if answer.ends_call and sender.client_id is not None:
            sender.legs.pop(call_id, None)
            # It may have ended meanwhile; or Redis is away, and it ends when one of its clients leaves.
            with contextlib.suppress(ProtocolError):
                leg = await sender.registry.advance(call_id, sender.client_id, Action.CLOSE)
                # Of a call that did not even ring the peer has never heard.
                if leg.state is State.ACTIVE:
                    await self._announce([Ended(call_id, EndReason.PEER_DISCONNECTED, (leg.peer,))])
        sender.refuse(answer.error(), answer.request, call_id)

    def _start(self, step: "asyncio.Future[None] | Awaitable[None]") -> None:
        task = asyncio.ensure_future(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_logged: set[tuple[str, str]] = set()


def note_unknown(event: Event) -> None:
    """Count an event of another process that is not known here, and log the first of its kind."""
    counters.events_unknown += 1
    _log("A process of another version sent an event that is not known here (%s); it is told", event)


def _note_returned(event: Event) -> None:
    counters.events_returned += 1
    _log("A process of another version does not know an event of this one (%s); its sender is told", event)


def _log(sentence: str, event: Event) -> None:
    kind = str(event.get("type"))[:100]
    if (sentence, kind) not in _logged and len(_logged) < MOST_KINDS:
        _logged.add((sentence, kind))
        logger.warning(sentence, kind)
