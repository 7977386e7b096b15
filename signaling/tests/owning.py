"""People whose client IDs belong to a key."""

from typing import Any

from pkd import statements
from pkd.statements import NOTHING, Signatures, Statement
from pkd.tests.owners import DIRECTORY, Identity, Recovery, first, following, signed
from signaling.tests.people import Person

__all__ = ["DIRECTORY", "Identity", "Recovery", "Statement", "first", "following", "signed"]


async def states(person: Person, statement: Statement, signatures: Signatures, /, **fields: Any) -> None:
    """Send a statement; its key is the public key of the identity, unless `fields` says otherwise."""
    key = None if statement.key == NOTHING else statement.identity
    named = {name: text for name, text in signatures._asdict().items() if text is not None}
    payload = {"clientId": statement.client_id, "publicKey": key, "statement": statement.text, "signatures": named}
    await person.send("PKD_REGISTER", **payload | fields)


async def becomes_owner(person: Person, identity: Identity, recovery: Recovery | None = None) -> Statement:
    """Claim "alice" for a registered person; returns the statement."""
    statement = first(identity, NOTHING if recovery is None else recovery.public)
    await states(person, statement, signed(statement, identity))
    await person.expects("PKD_RESULT", publicKey=identity.public, status="signed", directory=DIRECTORY)
    return statement


async def is_challenged(person: Person, client_id: str = "alice", **fields: Any) -> str:
    """Send REGISTER and be refused; returns the challenge."""
    await person.send("REGISTER", clientId=client_id, **fields)
    error = await person.expects("ERROR", code="NOT_REGISTERED", request="REGISTER")
    challenge: str = error["challenge"]
    assert len(challenge) == 43
    return challenge


async def signs_in(
    person: Person, identity: Identity, client_id: str = "alice", server: str = DIRECTORY, challenge: str = ""
) -> None:
    """Send REGISTER, signed for a challenge."""
    challenge = challenge or await is_challenged(person, client_id)
    signature = identity.sign(statements.registration(server, client_id, challenge))
    await person.send("REGISTER", clientId=client_id, challenge=challenge, signature=signature)


async def registers_as_owner(person: Person, identity: Identity, client_id: str = "alice") -> dict[str, Any]:
    await signs_in(person, identity, client_id)
    return await person.expects("REGISTERED", clientId=client_id)
