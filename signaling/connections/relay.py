"""Relays events to clients: through the group of the client ID, or into the registry's held queue while it is away.

How it works
------------
A client of this process is reached at once, in the turn of the event loop that posts the event. For any other client
at most one step is under way on Redis; what is posted meanwhile waits in the client's outbox and leaves together with
the next step. So events reach a client in the order in which they were posted, also while it moves from one connection
to another, and a burst is one command.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial

from django.conf import settings

from bans.table import BanTable
from signaling.connections.copies import Copies
from signaling.connections.owners import Owners
from signaling.connections.proofs import Proofs
from signaling.connections.public_log import PublicLog
from signaling.connections.returns import Returns
from signaling.connections.room import Room
from signaling.delivery.events import Event, batched, changing, group_of
from signaling.delivery.layers import LoopLayer
from signaling.protocol.errors import ProtocolError, RateLimitedError, UnavailableError
from signaling.protocol.server_messages import CallEnded
from signaling.registry.contract import Registry
from signaling.registry.outcomes import Ended
from signaling.telemetry.counters import counters
from transparency.guard import FileStore, Store

# Whether an event arrived or is held, False where its client is gone, or why it can be neither.
Outcome = bool | ProtocolError
# Is called once, and raises nothing.
Report = Callable[[Outcome], None]
Outbox = list[tuple[Event, Report]]


class Relay:
    """Relays events to any client, wherever it is connected, in the order in which they are posted.

    `unproved_bytes` bounds what is kept of those that were written, until they are proved to have been read; `guard`
    is the public log's.
    """

    def __init__(
        self, registry: Registry, layer: LoopLayer, unproved_bytes: int = 0, guard: Store | None = None
    ) -> None:
        self.registry = registry
        self.layer = layer
        self.room = Room(unproved_bytes)
        self.proofs = Proofs(self.room)
        self.copies = Copies(self.room)
        self.returns = Returns(layer, self.announce)
        # The calls that the registry is being asked to open.
        self.placing: set[str] = set()
        self.owners = Owners(registry, layer, self.announce)
        self.bans = BanTable()
        self.log = PublicLog(guard or FileStore(settings.LOG_GUARD))
        # Steps that failed while Redis was away, to be run when it is back.
        self.owed: list[Callable[[], Awaitable[object]]] = []
        self._outboxes: dict[str, Outbox] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def post(self, client_id: str, event: Event, sender: str = "") -> asyncio.Future[bool] | None:
        """Deliver an event in this process (returns None), or put it into the client's outbox.

        The future gets what `send` returns or raises; for `sender` see `put`.
        """
        if self.deliver(client_id, event):
            return None
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.put(client_id, event, partial(_settle, future), sender)
        return future

    def deliver(self, client_id: str, event: Event) -> bool:
        """Deliver an event in this process; returns False where the client is not, or others wait in its outbox."""
        if client_id in self._outboxes:
            return False
        members = self.layer.groups.get(group_of(client_id))
        return members is not None and self.layer.deliver(members, event) > 0

    def put(self, client_id: str, event: Event, report: Report, sender: str = "") -> None:
        """Put an event that was not delivered into the client's outbox; `report` gets what becomes of it.

        `sender` is the channel to which the event is returned should the client's process not know such an event.
        """
        outbox = self._outboxes.get(client_id)
        if outbox is None:
            outbox = self._outboxes[client_id] = []
            self.run(self._empty(client_id, outbox))
        # An event that another process relayed keeps its own.
        event.setdefault("sender", sender or self.returns.channel)
        outbox.append((event, report))

    def run(self, step: Coroutine[object, object, None]) -> None:
        """Start a step for whose end nobody waits."""
        task = asyncio.create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def send(self, client_id: str, event: Event, sender: str = "") -> bool:
        """Deliver an event or have it held; returns False when the client is gone.

        Raises `RateLimitedError` when it can be neither delivered nor held.
        """
        future = self.post(client_id, event, sender)
        return True if future is None else await future

    async def settle(self) -> None:
        """Run the owed steps; those that find Redis away stay owed."""
        for step in tuple(self.owed):
            self.owed.remove(step)
            try:
                await step()
            except UnavailableError:
                self.owed.append(step)
            except ProtocolError:
                # As much is held for the client as may be, or it is gone: there is no client to tell.
                continue

    async def deliver_later(self, client_id: str, event: Event, sender: str = "") -> None:
        """Deliver an event or have it held; while Redis is away, when it is back."""
        outcome = self.post(client_id, event, sender)
        if outcome is not None:
            await self.see_through(client_id, event, outcome)

    async def see_through(self, client_id: str, event: Event, outcome: "asyncio.Future[bool]") -> None:
        """Wait for the outcome of a post; where Redis is away, send the event when it is back."""
        try:
            await outcome
        except UnavailableError:
            # It has its sender by now.
            self.owed.append(partial(self.send, client_id, event))
        except RateLimitedError:
            # As much is held for the client as may be.
            counters.messages_dropped += 1

    async def announce(self, ended: list[Ended]) -> None:
        """Count calls that ended, and send `CALL_ENDED` to the clients that have to hear of it."""
        for call in ended:
            counters.calls_ended[call.reason] += 1
            message = CallEnded(call.call_id, call.reason)
            for client_id in call.recipients:
                await self.deliver_later(client_id, changing(message, call.call_id, None, ""))

    async def _empty(self, client_id: str, outbox: Outbox) -> None:
        try:
            while outbox:
                batch = outbox.copy()
                outbox.clear()
                await self._send(client_id, batch)
        except UnavailableError:
            # Those of the batch have been reported.
            pass
        finally:
            for _, report in outbox:
                report(UnavailableError())
            del self._outboxes[client_id]

    async def _send(self, client_id: str, batch: Outbox) -> None:
        reported = 0
        try:
            event = batch[0][0] if len(batch) == 1 else batched([event for event, _ in batch], self.returns.channel)
            is_received = await self.layer.group_send(group_of(client_id), event) > 0
            for event, report in batch:
                outcome = is_received or await self._hold(client_id, event)
                reported += 1
                report(outcome)
        finally:
            # Whatever went wrong, each is reported, and none as one that arrived.
            for _, report in batch[reported:]:
                report(UnavailableError())

    async def _hold(self, client_id: str, event: Event) -> Outcome:
        try:
            is_held = await self.registry.hold(client_id, event)
        except RateLimitedError as error:
            return error
        counters.messages_held += is_held
        return is_held


def _settle(future: asyncio.Future[bool], outcome: Outcome) -> None:
    if future.done():
        return
    if isinstance(outcome, ProtocolError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
