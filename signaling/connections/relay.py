"""From one client to another: through the group of its ID, or into the registry while it is away."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from signaling.connections.returns import Returns
from signaling.delivery.events import Event, batched, changing, group_of
from signaling.delivery.layers import LoopLayer
from signaling.protocol.errors import ProtocolError, RateLimitedError, UnavailableError
from signaling.protocol.server_messages import CallEnded
from signaling.registry.contract import Ended, Registry
from signaling.telemetry.counters import counters

Outbox = list[tuple[Event, asyncio.Future[bool]]]


class Relay:
    """Reaches every client, wherever it is connected, in the order in which events are given to it.

    A client of this process is reached at once. For any other there is at most one step under way, and
    what comes meanwhile leaves together with the next one: the order cannot be lost on the way to a
    client that is just moving, and a burst is one command.
    """

    def __init__(self, registry: Registry, switch: LoopLayer) -> None:
        self.registry = registry
        self.switch = switch
        self.returns = Returns(switch, self.announce)
        # Steps that Redis could not take while it was away, to be taken when it is back.
        self.owed: list[Callable[[], Awaitable[object]]] = []
        self._outboxes: dict[str, Outbox] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def post(self, client_id: str, event: Event, sender: str = "") -> asyncio.Future[bool] | None:
        """Deliver an event here and now (None), or begin to; the future says what `send` would.

        `sender` is the channel that hears of it should the client's process not know such an event.
        """
        outbox = self._outboxes.get(client_id)
        if outbox is None:
            if self.switch.deliver_to_group(group_of(client_id), event):
                return None
            outbox = self._outboxes[client_id] = []
            task = asyncio.create_task(self._empty(client_id, outbox))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        # What another process passes on keeps its own.
        event.setdefault("sender", sender or self.returns.channel)
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        outbox.append((event, future))
        return future

    async def send(self, client_id: str, event: Event, sender: str = "") -> bool:
        """Deliver or hold an event; False when the client is gone.

        Raises `RateLimitedError` when it can be neither delivered nor held.
        """
        future = self.post(client_id, event, sender)
        return True if future is None else await future

    async def settle(self) -> None:
        """Take the owed steps that can be taken now."""
        for step in tuple(self.owed):
            self.owed.remove(step)
            try:
                await step()
            except UnavailableError:
                self.owed.append(step)
            except ProtocolError:
                # As much waits for the client as may, or it is gone: nobody is left to tell.
                continue

    async def deliver_later(self, client_id: str, event: Event, sender: str = "") -> None:
        """Deliver or hold what must arrive: when Redis is back, if it is away now; unless the client is gone."""
        try:
            await self.send(client_id, event, sender)
        except UnavailableError:
            self.owed.append(partial(self.send, client_id, event, sender))
        except RateLimitedError:
            # More waits for it than may.
            return

    async def announce(self, ended: list[Ended]) -> None:
        """Tell everybody concerned that these calls ended."""
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
            # Those of the batch have been told.
            pass
        finally:
            for _, future in outbox:
                _settle(future, UnavailableError())
            del self._outboxes[client_id]

    async def _send(self, client_id: str, batch: Outbox) -> None:
        try:
            event = batch[0][0] if len(batch) == 1 else batched([event for event, _ in batch], self.returns.channel)
            is_received = await self.switch.group_send(group_of(client_id), event) > 0
            for event, future in batch:
                try:
                    _settle(future, is_received or await self._hold(client_id, event))
                except RateLimitedError as error:
                    _settle(future, error)
        finally:
            # Whatever went wrong, nobody waits for ever, and nobody is told that it arrived.
            for _, future in batch:
                _settle(future, UnavailableError())

    async def _hold(self, client_id: str, event: Event) -> bool:
        is_held = await self.registry.hold(client_id, event)
        counters.messages_held += is_held
        return is_held


def _settle(future: asyncio.Future[bool], outcome: "bool | ProtocolError") -> None:
    if future.done():
        return
    if isinstance(outcome, ProtocolError):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
