"""Statements at a steady rate: clients claim their IDs, and then publish another key again and again."""

import asyncio
import itertools
import json
import time
from collections import Counter
from dataclasses import dataclass, field

from pkd import keys, statements
from pkd.tests.owners import Identity, first, following, signed
from tools.faults.listener import PATIENCE_SECONDS
from tools.faults.owning import Patient
from tools.faults.system import new_id

OWNER = Identity("owner")
KEYS = (OWNER.public, "another key", "a third key")
OWNERS = 500
CONNECTING_AT_ONCE = 50


@dataclass
class Taken:
    """How many statements were sent, and how long each that was accepted took."""

    sent: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)


class Stating:
    """A client that sends one statement after the other, each made before it is due."""

    def __init__(self, client: Patient) -> None:
        self.client = client
        self._last: statements.Statement | None = None
        self._keys = itertools.cycle(KEYS)
        # The one before may be late.
        self._turn = asyncio.Lock()
        self.payload = self._next()

    def _next(self) -> dict[str, object]:
        key = next(self._keys)
        if self._last is None:
            statement = first(OWNER, client_id=self.client.id)
        else:
            statement = following(self._last, key=keys.digest(key))
        self._last = statement
        signatures = {"identity": signed(statement, OWNER).identity}
        payload = {
            "clientId": self.client.id,
            "publicKey": key,
            "statement": statement.text,
            "after": statement.seq - 1,
        }
        return {**payload, "signatures": signatures}

    async def state(self, taken: Taken) -> None:
        """Send the next statement, and wait for its answer; one that is refused is sent again the next time."""
        begin, taken.sent = time.perf_counter(), taken.sent + 1
        async with self._turn, asyncio.timeout(PATIENCE_SECONDS):
            await self.client.send("PKD_REGISTER", **self.payload)
            answer = json.loads(await self.client.connection.recv())
        if answer["type"] == "PKD_RESULT":
            taken.seconds.append(time.perf_counter() - begin)
            self.payload = self._next()
        else:
            taken.refused[answer["payload"]["code"]] += 1


async def state_on(url: str, per_second: float, seconds: float) -> Taken:
    """Send so many statements a second, whether the ones before were answered or not."""
    taken, owners = Taken(), [Stating(Patient(url, new_id("owner"))) for _ in range(OWNERS)]
    room = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def come(owner: Stating) -> None:
        async with room:
            await owner.client.__aenter__()
            await owner.client.registers()

    try:
        await asyncio.gather(*map(come, owners))
        begin = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number, owner in zip(range(round(per_second * seconds)), itertools.cycle(owners), strict=False):
                await asyncio.sleep(max(0.0, begin + number / per_second - time.monotonic()))
                group.create_task(owner.state(taken))
    finally:
        await asyncio.gather(*(owner.client.close() for owner in owners), return_exceptions=True)
    return taken
