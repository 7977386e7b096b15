"""The shape of an answer: the payload of a `PKD_RESULT` to a look-up that asked for statements, none of it optional."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from securecall_client.parts import StatementSignatures
from securecall_client.refusal import RefusedError

Status = Literal["signed", "unsigned", "revoked", "released", "erased"]


class Listed(Struct):
    """A statement and its update; of an erased client ID only the update is left."""

    update: str
    statement: str | None = None
    signatures: StatementSignatures | None = None


class Proof(Struct, rename="camel"):
    """The proof of an answer, in base64url; hashes stand one behind the other."""

    checkpoint: str
    entry: str
    inclusion: str
    consistency: str
    vrf_proof: str
    siblings: str
    non_inclusion_leaf: str | None


class Answer(Struct, rename="camel"):
    """What a directory says of a client ID."""

    client_id: str
    public_key: str | None
    directory: str
    status: Status
    statements: list[Listed]
    proof: Proof
    released_at: int | None = None


def read(payload: Mapping[str, Any]) -> Answer:
    """Read an answer; refuses one that lacks a field, or has one of another type."""
    try:
        answer = msgspec.convert(payload, Answer)
        # Half of a surrogate pair, which JSON can spell, is no text.
        (answer.public_key or "").encode()
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise RefusedError(f"The answer is not what a server with a public log sends: {error}") from None
    return answer
