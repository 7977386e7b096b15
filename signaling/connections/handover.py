"""Moves a client ID to a connection, and away from it: no message is lost, repeated or out of order.

How it works
------------
A message for a client is relayed to the group of its ID in the channel layer; where that reaches no connection, the
registry holds it. So at any moment each message is in exactly one of three places: on its way to the member of the
group, in the registry's held queue, or in a connection's inbox. The steps below keep that true while the group changes
its member, and their order is what makes it right:

- The old connection leaves the group before it releases the ID, and the new one claims the ID before it joins the
  group: a message never goes to both.
- The old connection's inbox goes in front of what the registry has held since it left the group.
- The new connection joins the group before the registry gives out what it held: what comes from then on waits in its
  inbox, behind that.
"""

import asyncio
import contextlib
from collections.abc import Collection
from functools import partial

from signaling.connections.mailbox import Inbox
from signaling.connections.missing_rings import MissingRings, without_ring
from signaling.connections.relay import Relay
from signaling.delivery.events import RELEASED, SUPERSEDE, Event, group_of
from signaling.protocol.closing import Hold
from signaling.protocol.errors import UnavailableError
from signaling.registry.contract import OwnedError, SupersededError
from signaling.registry.outcomes import Joined, Owner, Released
from signaling.telemetry.counters import counters

# How long a connection waits for the old one of its client ID to release it: one that was reached, and one that was
# not, because its process is dead or it has yet to join the group.
HANDOVER_SECONDS = 2.0
SILENCE_SECONDS = 0.1
SILENCES = 3


class Handover:
    """Moves client IDs to one connection, `owner`, and away from it; `inbox` is the connection's."""

    __slots__ = ("_client_id", "_inbox", "_missing", "_owed_for", "_owner", "_relay", "_released")

    def __init__(self, relay: Relay, owner: Owner, inbox: Inbox) -> None:
        self._relay = relay
        self._owner = owner
        self._inbox = inbox
        # The client ID that this connection claims or has.
        self._client_id: str | None = None
        # Completed when the connection that has the claimed ID says that it released it.
        self._released: asyncio.Future[None] | None = None
        # While `join` waits for rings.
        self._missing: MissingRings | None = None
        # The client ID whose release waits for Redis.
        self._owed_for: str | None = None

    async def join(self, client_id: str, identity: str = "", *, is_known: bool = True) -> Joined:
        """Make this the connection of `client_id`; returns its open calls and what was held for it.

        1. Claim the ID (`_claim`). It comes first, so that only the connection that has the ID enters the group.
        2. Join the group of the ID. It comes before 3, because between an emptied held queue and a group without a
           member a message would be held for a connection that does not ask again. What comes now waits in the inbox.
        3. Join the registry, which gives out the calls and what it held, in one atomic step.
        4. Ask callers for the rings that are missing (`missing_rings`). What they answer is in the inbox.

        Raises `SupersededError` when a newer connection has the ID or waits for it, and what `Registry.claim` does for
        an ID that does not belong to `identity`. Whatever fails, the ID is given back, and its calls are held.
        """
        self._client_id = client_id
        try:
            await self._claim(client_id, identity, is_known=is_known)
            await self._relay.layer.group_add(group_of(client_id), self._owner.channel)
            joined = await self._relay.registry.join(client_id, self._owner)
            if joined is not None and (calls := without_ring(joined.legs, [*joined.held, *self._inbox])):
                self._missing = MissingRings(calls)
                await self._missing.ask(self._relay, self._owner.channel, joined.legs)
        except BaseException:
            # Redis may have carried out what it could not answer.
            await self.leave(client_id, hold=Hold.FULL)
            raise
        finally:
            self._missing = None
        if joined is None:
            await self.leave(client_id, hold=Hold.FULL)
            raise SupersededError
        return joined

    def join_at_once(self, client_id: str, *, is_known: bool) -> bool:
        """Take steps 1 to 3 of `join` in one, without an identity; returns False where somebody has to be asked."""
        steps = self._relay.registry.at_once
        if steps is None or not steps.join_at_once(client_id, self._owner, is_known=is_known):
            return False
        self._client_id = client_id
        self._relay.layer.add_to_group(group_of(client_id), self._owner.channel)
        return True

    async def join_again(self, client_id: str, known: Collection[str], identity: str = "") -> Joined | None:
        """Join the registry again with `client_id`, with the `known` of its calls; None when it is superseded."""
        try:
            await self._relay.registry.claim(client_id, self._owner, is_first=False, identity=identity)
            joined = await self._relay.registry.join(client_id, self._owner)
        except (OwnedError, SupersededError):
            return None
        if joined is None:
            return None
        # A call that this client was never told of is not there for it.
        return Joined({call_id: leg for call_id, leg in joined.legs.items() if call_id in known}, joined.held)

    async def leave(self, client_id: str, *, hold: Hold) -> None:
        """Give `client_id` back; its calls are held with `hold`, or when a newer connection waits for the ID.

        1. Leave the group of the ID. When this returns, all that was on its way to the group is in the inbox, and what
           follows is held by the registry.
        2. Release the ID in the registry (`_release`), which puts the inbox in front of what it held since 1.
        3. Tell the connection that waits for the ID, which then claims it.
        4. Tell the peers of the calls that ended with it.
        """
        self._client_id = None
        await self._relay.layer.group_discard(group_of(client_id), self._owner.channel)
        await self._release(client_id, self._inbox.empty(), hold=hold)

    def note_release(self) -> None:
        """Let `join` try again: the connection that had the claimed ID has released it."""
        if self._released is not None and not self._released.done():
            self._released.set_result(None)

    def note_ring(self, call_id: str) -> None:
        """Let `join` wait no longer for the ring of a call: it is here, or there is none."""
        if self._missing is not None:
            self._missing.note(call_id)

    async def _claim(self, client_id: str, identity: str, *, is_known: bool) -> None:
        """Claim `client_id` in the registry, waiting for the connection that has it.

        1. Claim: the first time this takes the place of any other connection that waits, for the newest one wins.
        2. Tell the connection that waited until now. By its next try it finds out that it is superseded.
        3. Without a holder the ID is ours.
        4. Ask the holder to release the ID, and wait until it says so. What it wrote to its client, and what it gives
           back, is in order only when it releases the ID itself.
        5. Evict a holder that was reached and stays silent, or was not reached several times; then claim again.
        """
        silences, is_first = 0, True
        while True:
            self._released = asyncio.get_running_loop().create_future()
            claim = await self._relay.registry.claim(
                client_id, self._owner, is_first=is_first, identity=identity, is_known=is_known
            )
            is_first = False
            if claim.displaced is not None:
                await self._relay.layer.send(claim.displaced, {"type": RELEASED})
            if claim.holder is None:
                self._released = None
                return
            supersede = {"type": SUPERSEDE, "connection": claim.holder}
            is_reached = await self._relay.layer.group_send(group_of(client_id), supersede) > 0
            try:
                async with asyncio.timeout(HANDOVER_SECONDS if is_reached else SILENCE_SECONDS):
                    await self._released
            except TimeoutError:
                silences += 1
                if is_reached or silences >= SILENCES:
                    await self._relay.registry.evict(client_id, claim.holder)

    async def _release(self, client_id: str, events: list[Event], *, hold: Hold) -> None:
        """Release `client_id` and give `events` to the registry in one step; while Redis is away, later."""
        try:
            released = await self._relay.registry.release(client_id, self._owner, events, hold=hold)
            if released is None:
                await self._deliver_late(client_id, events)
        except UnavailableError:
            # A client that registers again and again while Redis is away owes one release.
            if events or client_id != self._owed_for:
                self._owed_for = client_id
                self._relay.owed.append(partial(self._release_late, client_id, events, hold=hold))
            return
        if released is not None:
            counters.messages_held += len(events) - released.dropped
            counters.messages_dropped += released.dropped
            await self._tell(released)

    async def _release_late(self, client_id: str, events: list[Event], *, hold: Hold) -> None:
        self._owed_for = None
        if self._client_id == client_id:
            # It registered again on the same connection, and keeps the ID.
            await self._deliver_late(client_id, events)
        else:
            await self._release(client_id, events, hold=hold)

    async def _deliver_late(self, client_id: str, events: list[Event]) -> None:
        """Deliver what of `events` still means something, after newer messages: the ID was ours no more meanwhile."""
        if events:
            for event in await self._relay.registry.deliver_late(client_id, events):
                await self._relay.deliver_later(client_id, event)

    async def _tell(self, released: Released) -> None:
        if released.successor is not None:
            # It tries again by itself when it does not hear of this.
            with contextlib.suppress(UnavailableError):
                await self._relay.layer.send(released.successor, {"type": RELEASED})
        await self._relay.announce(released.ended)
