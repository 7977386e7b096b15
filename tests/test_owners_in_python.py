"""Owners of client IDs: what they sign is that of the vectors, and a real server takes it."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec import to_builtins
from websockets.sync.server import ServerConnection

from auditor.__main__ import Exit, main
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
from securecall_client.checking import Change
from securecall_client.owners import look_up, send_statement
from securecall_client.ownership import (
    NOTHING,
    Statement,
    digest,
    read_recovery_code,
    recovery_code,
    recovery_seed,
    registration,
)
from securecall_client.parts import MOST_STATEMENTS
from securecall_client.refusal import RefusedError
from securecall_client.tests.conftest import comes
from securecall_client.tests.test_reconnect import SOON, registers
from securecall_client.transparency import Log, Outcome, Pin, check
from tests.support import made_log
from tests.support.impostor import impostor
from tests.support.servers import RunningServer
from tests.support.vectors import load
from tests.verifiers.cases import encoded
from tests.verifiers.programs import sumdb

VECTORS = load("trust")
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


async def test_client_checks_whom_an_id_belongs_to_on_a_real_server(owning: RunningServer) -> None:
    alice, new_phone, client_id = Identity("alice 1"), Identity("alice 2"), new_client_id("alice")
    statement = first_statement(DIRECTORY, client_id, alice.public, NOTHING, alice.public)
    async with Client(owning.ws_url, client_id, identity=alice) as owner, Client(owning.ws_url, "bob") as bob:
        assert (await look_up(bob, client_id)).status == "unsigned"
        signatures = StatementSignatures(alice.sign(statement.text))
        for _ in range(2):
            # The last statement again is answered alike.
            assert (await send_statement(owner, statement, signatures, alice.public)).status == "signed"
        pinned = await look_up(bob, client_id)
        assert tuple(pinned) == (alice.public, "signed", Change.FIRST, statement)
        for key in ("another", "a third", alice.public):
            statement = statement.next(public_key=key)
            await send_statement(owner, statement, StatementSignatures(alice.sign(statement.text)), key)
        moved = statement.next(identity=new_phone.public, public_key=new_phone.public)
        signatures = StatementSignatures(new_phone.sign(moved.text), alice.sign(moved.text))
        assert (await send_statement(owner, moved, signatures, new_phone.public)).public_key == new_phone.public
        assert await look_up(bob, client_id, pinned.pin) == (new_phone.public, "signed", Change.MOVED, moved)
        forged = first_statement(DIRECTORY, client_id, new_phone.public, NOTHING, new_phone.public)
        with pytest.raises(RefusedError) as refused:
            await look_up(bob, client_id, forged)
        assert refused.value.evidence[0].client_id == client_id


async def test_statement_without_an_answer_is_sent_again() -> None:
    statement = first_statement(DIRECTORY, "alice", "identity", NOTHING, "key")
    came: list[dict[str, Any]] = []

    def loses_the_first_answer(connection: ServerConnection) -> None:
        registers(connection)
        for frame in connection:
            came.append(json.loads(frame)["payload"])
            if len(came) == 1:
                connection.close(1011, "internal error")
                return
            answer = {
                "clientId": "alice",
                "publicKey": "key",
                "directory": DIRECTORY,
                "status": "signed",
                "statements": [],
            }
            connection.send(json.dumps({"type": "PKD_RESULT", "payload": answer}))

    with impostor(loses_the_first_answer) as url:
        async with Client(url, "alice", reconnect=SOON) as alice:
            assert (await send_statement(alice, statement, StatementSignatures("signature"), "key")).status == "signed"
    assert [payload["statement"] for payload in came] == [statement.text] * 2


async def test_no_more_is_asked_for_behind_an_answer_that_does_not_follow() -> None:
    asked: list[int] = []

    def answers_for_ever(connection: ServerConnection) -> None:
        registers(connection)
        for frame in connection:
            asked.append(json.loads(frame)["payload"]["after"])
            rows = [{"kind": 1, "statement": "junk", "signatures": {}}] * MOST_STATEMENTS
            answer = {"clientId": "alice", "publicKey": "key", "directory": DIRECTORY, "status": "signed"}
            connection.send(json.dumps({"type": "PKD_RESULT", "payload": answer | {"statements": rows}}))

    with impostor(answers_for_ever) as url:
        async with Client(url, "bob", reconnect=NoReconnect()) as bob:
            with pytest.raises(RefusedError):
                await look_up(bob, "alice")
    assert asked == [-1]


async def test_statement_beyond_the_limit_is_refused_in_the_servers_words_at_once() -> None:
    sentence = "There were too many statements of this client ID today; wait before the next one."
    came: list[str] = []

    def limits(connection: ServerConnection) -> None:
        registers(connection)
        for frame in connection:
            came.append(json.loads(frame)["payload"]["statement"])
            error = {"code": "RATE_LIMITED", "message": sentence, "request": "PKD_REGISTER", "retryAfterMs": 3_600_000}
            connection.send(json.dumps({"type": "ERROR", "payload": error}))

    statement = first_statement(DIRECTORY, "alice", "identity", NOTHING, "key")
    with impostor(limits) as url:
        async with Client(url, "alice", reconnect=NoReconnect()) as alice:
            with pytest.raises(RequestError) as refused:
                await send_statement(alice, statement, StatementSignatures("signature"), "key")
    assert (refused.value.code, refused.value.message, refused.value.retry_after) == ("RATE_LIMITED", sentence, 3600)
    assert came == [statement.text]


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


class Looking:
    """A client that keeps what it knows of a log and of peers, and checks every answer."""

    def __init__(self, vkey: str) -> None:
        self.log = Log(vkey)
        self.pins: dict[str, Pin] = {}

    async def look_up(self, connection: Connection, client_id: str, after: int = -1) -> Outcome:
        await connection.send(PkdLookup(client_id, after, self.log.size))
        answer = to_builtins(await connection.receive())
        checked = check([answer], client_id, self.log, self.pins.get(client_id), time.time())
        self.log = checked.log
        if checked.pin:
            self.pins[client_id] = checked.pin
        return checked.outcome


async def publish(connection: Connection, owner: Identity, statement: Statement, public_key: str) -> None:
    signatures = StatementSignatures(owner.sign(statement.text))
    await connection.send(PkdRegister(statement.client_id, public_key, statement.text, signatures))
    assert isinstance(await connection.receive(), PkdResult)


async def test_public_log_is_proved_audited_and_read_by_others(owning: RunningServer, tmp_path: Path) -> None:
    url, (_, key) = f"{owning.http_url}/log", owning.get("/log/key")
    vkey = key.strip()
    assert vkey == made_log.vkey()
    main(["newkey", "auditor.example.net", "--key", str(tmp_path / "key")])
    audit = [url, vkey, "--state", str(tmp_path / "state"), "--key", str(tmp_path / "key")]
    looking = Looking(vkey)
    for name in ("one", "two"):
        owner, client_id = Identity(name), new_client_id(name)
        connection = await Connection.open(owning.ws_url)
        await connection.register(client_id)
        assert await looking.look_up(connection, client_id) is Outcome.UNSIGNED
        first = first_statement(DIRECTORY, client_id, owner.public, NOTHING, owner.public)
        await publish(connection, owner, first, owner.public)
        assert await looking.look_up(connection, client_id) is Outcome.FIRST_TIME
        await publish(connection, owner, first.next(public_key="another key"), "another key")
        assert await looking.look_up(connection, client_id, 0) is Outcome.UNCHANGED
        await connection.close()
        assert await asyncio.to_thread(main, audit) is Exit.IN_ORDER
    size, root = looking.log.size, looking.log.root
    cosigned = (tmp_path / "state.checkpoint").read_text().splitlines()
    assert (int(cosigned[1]), cosigned[-1].split()[1]) == (size, "auditor.example.net")
    reading = {"url": url, "number": size - 1, "earlier": size, "earlierRoot": [encoded(root)]}
    assert await asyncio.to_thread(sumdb(tmp_path).verdicts, [reading], vkey) == [""]
