"""Claims of client IDs in Redis, against those that belong to a key, which are the same for every process."""

from collections.abc import Callable, Iterable

from signaling.delivery.events import KNOWN_FORMAT
from signaling.delivery.redis_layer import RedisLoopLayer
from signaling.protocol.limits import Limits
from signaling.registry.contract import OwnedError, OwnersLostError, SupersededError
from signaling.registry.outcomes import Claim, Ousted, Owner
from signaling.registry.owned import UNSIGNED, OwnedIds
from signaling.registry.redis_leases import RedisLeases


class RedisOwned(RedisLeases):
    """A process' claims, and its part in saying to whom a client ID belongs."""

    def __init__(self, layer: RedisLoopLayer, limits: Limits, clock: Callable[[], float] | None) -> None:
        super().__init__(layer, limits, clock)
        self.owned = OwnedIds()

    async def claim(
        self, client_id: str, owner: Owner, *, is_first: bool = True, identity: str = UNSIGNED, is_known: bool = True
    ) -> Claim:
        """See `Registry.claim`."""
        if self.owned.refuses(client_id, identity):
            raise OwnedError
        arguments = (client_id, *owner, self._process, int(is_first), identity, int(is_known))
        reply = await self._run("claim", *arguments)
        if reply is None:
            raise SupersededError
        if reply == [b"owned"]:
            raise OwnedError
        if reply == [b"lost"]:
            raise OwnersLostError
        holder, displaced = (value.decode() or None for value in reply)
        return Claim(holder, displaced)

    async def own(self, client_id: str, identity: str, sender: Owner | None = None) -> Ousted:
        """See `Registry.own`."""
        # First: whatever Redis answers, this process gives it to nobody else.
        self.owned.note(client_id, identity)
        connection = "" if sender is None else sender.connection_id
        holder, channel, successor, *ended = await self._run("own", client_id, identity, connection)
        owner = Owner(holder.decode(), channel.decode()) if holder else None
        return Ousted(owner, successor.decode() or None, self._decode_ended(ended))

    async def knows_owners(self) -> bool:
        """See `Registry.knows_owners`."""
        return all(number >= KNOWN_FORMAT for number in (await self.formats()).values())

    async def has_lost_owners(self) -> bool:
        """See `Registry.has_lost_owners`."""
        return not await self._link.call("EXISTS", f"{self._prefix}:owned")

    async def restore_owned(self, owned: Iterable[tuple[str, str]], *, are_last: bool) -> None:
        """See `Registry.restore_owned`."""
        await self._run("restore_owned", int(are_last), *(word for pair in owned for word in pair))
