"""What an owner of a client ID does, as its messages: claims it, restores it, and signs in."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from pkd import keys, statements
from pkd.tests.owners import DIRECTORY, Identity, Recovery, first, following, signed
from tests.support.people import Person
from tools.faults.listener import PATIENCE_SECONDS

OWNER, RESTORED, PAPER = Identity("owner"), Identity("restored"), Recovery("paper")


class Patient(Person):
    """A person who waits for as long as a database of a busy machine may take."""

    async def expects(self, message_type: str, /, seconds: float = PATIENCE_SECONDS, **fields: Any) -> dict[str, Any]:
        """See `Client.expects`."""
        return await super().expects(message_type, seconds, **fields)


async def claim(owner: Person) -> None:
    """Send the first statement of a client ID, with a recovery code."""
    await _state(owner, first(OWNER, PAPER.public, owner.id), OWNER)


async def recover(victim: Person) -> None:
    """Send the statement by which the recovery code gives a client ID to a new key."""
    before = first(OWNER, PAPER.public, victim.id)
    statement = following(before, identity=RESTORED.public, key=keys.digest(RESTORED.public))
    await _state(victim, statement, RESTORED, PAPER)


async def _state(
    client: Person, statement: statements.Statement, identity: Identity, recovery: Recovery | None = None
) -> None:
    by = signed(statement, identity, recovery=recovery)._asdict()
    payload = {"clientId": client.id, "publicKey": identity.public, "statement": statement.text}
    await client.send("PKD_REGISTER", **payload, signatures={name: text for name, text in by.items() if text})


async def is_signed(client: Person, statement: Callable[[Person], Awaitable[None]]) -> None:
    """Wait for the answer to a statement; send it again, as clients do, where the database took too long for one."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (message := json.loads(await client.connection.recv()))["type"] == "ERROR":
            await asyncio.sleep(message["payload"]["retryAfterMs"] / 1000)
            await statement(client)
    if message["payload"]["status"] != "signed":
        raise RuntimeError(f"A statement was answered with another status: {message}")


async def challenged(client: Person) -> str:
    """Send REGISTER for a client ID that belongs to a key; returns the challenge."""
    await client.send("REGISTER", clientId=client.id)
    challenge: str = (await client.expects("ERROR", code="NOT_REGISTERED"))["challenge"]
    return challenge


async def sign_in(client: Person, identity: Identity) -> None:
    """Send REGISTER, signed for a challenge."""
    await sign(client, identity, await challenged(client))


async def sign(client: Person, identity: Identity, challenge: str) -> None:
    """Send REGISTER, signed for this challenge."""
    signature = identity.sign(statements.registration(DIRECTORY, client.id, challenge))
    await client.send("REGISTER", clientId=client.id, challenge=challenge, signature=signature)


async def is_refused(client: Person) -> bool:
    """Return whether the answer to REGISTER is that the client ID belongs to a key."""
    message = json.loads(await client.connection.recv())
    return bool(message["type"] == "ERROR" and message["payload"]["code"] == "NOT_REGISTERED")
