"""Owners of client IDs: what they sign is that of the vectors, and a real server takes it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pkd.tests.owners import DIRECTORY, Identity
from pkd.tests.owners import Recovery as RecoveryKey
from securecall_client import (
    Client,
    Connection,
    Error,
    ErrorCode,
    NoReconnect,
    PkdLookup,
    PkdRegister,
    PkdResult,
    Registered,
    RequestError,
    StatementSignatures,
    first_statement,
    new_client_id,
)
from securecall_client.ownership import (
    NOTHING,
    Statement,
    digest,
    read_recovery_code,
    recovery_code,
    recovery_seed,
    registration,
)
from securecall_client.tests.conftest import comes
from tests.support.servers import ROOT, RunningServer, server

VECTORS: dict[str, Any] = json.loads((Path(ROOT) / "pkd/tests/vectors/trust.json").read_text())
CODE = VECTORS["recoveryCode"]
SECRET = bytes(range(16))
WRITTEN = [CODE, CODE.lower(), CODE.replace("-", ""), CODE.replace("-", " "), CODE.replace("0", "o")]
MISTAKEN = ["", CODE[:-1], f"{CODE}0", CODE.replace("1WR0", "1WR1"), CODE.replace("R38E", "R38F"), "U" * 28]


def test_statements_are_those_of_the_vectors() -> None:
    one, two = VECTORS["identities"]["alice1"], VECTORS["identities"]["alice2"]
    first = first_statement(DIRECTORY, "alice", one, "RZMEssyX6tKYwq_9DTNEa7fIumwA5TZHqguntxZ0rlc", one)
    second = first.next(identity=two, public_key=two)
    assert [first.text, second.text] == [VECTORS["statements"][index][0] for index in (0, 2)]
    assert [digest(first.text), digest(second.text)] == [VECTORS["statementHashes"][index] for index in (0, 2)]
    assert first.next(public_key=None).key == NOTHING
    assert first.next(recovery=NOTHING) == Statement(*first.next()[:5], NOTHING, first.key)


def test_registration_and_recovery_code_are_those_of_the_vectors() -> None:
    text, _ = VECTORS["register"]
    assert registration(DIRECTORY, "alice", text.split()[-1]) == text
    assert recovery_code(SECRET) == CODE
    assert recovery_seed(SECRET, DIRECTORY, "alice").hex() == VECTORS["recoverySeed"]


@pytest.mark.parametrize("code", WRITTEN)
def test_recovery_code_is_read_as_people_write_it(code: str) -> None:
    assert read_recovery_code(code) == SECRET
    assert read_recovery_code(recovery_code(b"\xff" * 16).replace("1", "l")) == b"\xff" * 16


@pytest.mark.parametrize("code", MISTAKEN)
def test_recovery_code_with_a_mistake_is_refused(code: str) -> None:
    with pytest.raises(ValueError, match=r"recovery code"):
        read_recovery_code(code)


@pytest.fixture(scope="module")
def owning() -> Iterator[RunningServer]:
    with server(env={"DEBUG": "1", "DIRECTORY_NAME": DIRECTORY}) as running:
        yield running


async def test_owner_claims_registers_and_restores_on_a_real_server(owning: RunningServer) -> None:
    alice, new_phone, paper = Identity("alice 1"), Identity("alice 2"), RecoveryKey("paper")
    client_id = new_client_id("alice")
    connection = await Connection.open(owning.ws_url)
    await connection.register(client_id)
    statement = first_statement(DIRECTORY, client_id, alice.public, paper.public, alice.public)
    signatures = StatementSignatures(alice.sign(statement.text))
    await connection.send(PkdRegister(client_id, alice.public, statement.text, signatures))
    claimed = await connection.receive()
    assert isinstance(claimed, PkdResult)
    assert (claimed.status, claimed.directory) == ("signed", DIRECTORY)
    await connection.close()

    stranger = Client(owning.ws_url, client_id, reconnect=NoReconnect())
    with pytest.raises(RequestError) as refused:
        await stranger.__aenter__()
    assert refused.value.code == ErrorCode.NOT_REGISTERED
    async with Client(owning.ws_url, client_id, identity=alice) as client:
        await comes(client, Registered)

    restored = statement.next(identity=new_phone.public, public_key=new_phone.public)
    connection = await Connection.open(owning.ws_url)
    signatures = StatementSignatures(new_phone.sign(restored.text), recovery=paper.sign(restored.text))
    await connection.send(PkdRegister(client_id, new_phone.public, restored.text, signatures))
    assert isinstance(await connection.receive(), PkdResult)
    await connection.send(PkdLookup(client_id, after=0))
    found = await connection.receive()
    assert isinstance(found, PkdResult)
    assert found.statements is not None
    assert [row.statement for row in found.statements] == [statement.text, restored.text]
    with pytest.raises(RequestError):
        await connection.register(client_id, alice)
    await connection.register(client_id, new_phone)
    await connection.close()
    assert Error("NOT_REGISTERED").challenge is None
