"""A full run whose log and database are searched for everything that must not be there."""

import asyncio
import json
import re
import secrets
import shutil
import socket
import sqlite3
import string
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.client import Client
from tests.support.people import Person, frame
from tests.support.servers import Kind, RunningServer, database_template, server
from tests.support.services import NotInstalledError, RedisServer, redis_server, skip_or_fail

TURN_SECRET = "TheSecretSharedWithTheRelay"
ADDRESS = "203.0.113.77"
ADDRESS_6 = "2001:db8:77::1"
ENV = {
    "TURN_SECRET": TURN_SECRET,
    "ALLOWED_ORIGINS": "https://app.example.com",
    "TRUSTED_PROXIES": "127.0.0.0/8",
    "CLIENT_ADDRESS_HEADER": "x-real-ip",
    # Longer than anybody is silent before the end of the run, also on a busy machine.
    "HEARTBEAT_TIMEOUT_SECONDS": "12",
    "RING_TIMEOUT_SECONDS": "1",
    "HOLD_SECONDS": "0.5",
    "LIMIT_CONNECTIONS_PER_IP": "40",
    "LIMIT_OUTBOUND_QUEUE_BYTES": "100000",
}


@dataclass
class Run:
    """The words of a run, and the places where they may have left traces."""

    kind: Kind
    running: RunningServer
    database: Path
    clients: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    # Session descriptions, candidates, credentials, and whatever else was sent.
    said: list[str] = field(default_factory=list)

    def person(self, **options: Any) -> Person:
        headers = {"X-Real-IP": secrets.choice([ADDRESS, ADDRESS_6]), "User-Agent": self.word("agent")}
        client_id = f"person-{secrets.token_hex(8)}"
        self.clients.append(client_id)
        return Person(self.running.ws_url, client_id, additional_headers=headers, **options)

    def word(self, meaning: str) -> str:
        """Something to say that can be found again."""
        self.said.append(f"{meaning}-{secrets.token_hex(8)}")
        return self.said[-1]

    def key(self) -> str:
        self.keys.append(f"key-{secrets.token_hex(16)}")
        return self.keys[-1]

    async def register(self, person: Person) -> None:
        for entry in (await person.register(person.id))["iceServers"]:
            self.said.append(entry["credential"])
            self.said.append(entry["username"])

    async def call(self, caller: Person, callee: Person) -> str:
        await caller.send("CALL_INITIATE", targetId=callee.id, sdpOffer=self.word("offer"))
        call_id: str = (await callee.expects("INCOMING_CALL"))["callId"]
        self.calls.append(call_id)
        return call_id

    async def talk(self, caller: Person, callee: Person) -> str:
        call_id = await self.call(caller, callee)
        await callee.send("CALL_ACCEPT", callId=call_id, sdpAnswer=self.word("answer"))
        await caller.expects("CALL_ACCEPTED")
        for _ in range(3):
            await caller.send("ICE_CANDIDATE", callId=call_id, candidate=self.word("candidate"))
            await callee.expects("ICE_CANDIDATE")
        return call_id


async def everything_happens(run: Run) -> None:
    """Calls, errors, the directory, credentials, drops, timeouts, and clients that misbehave."""
    async with run.person() as alice, run.person() as bob, run.person() as carol:
        for person in (alice, bob, carol):
            await run.register(person)
            await person.expects_nothing_else()
            await person.send("PKD_REGISTER", clientId=person.id, publicKey=run.key())
            await person.expects("PKD_RESULT")
            await person.send("PKD_LOOKUP", clientId=alice.id)
            await person.expects("PKD_RESULT")
            await person.send("TURN_CREDENTIALS")
            for entry in (await person.expects("TURN_CREDENTIALS"))["iceServers"]:
                run.said.append(entry["credential"])
        async with run.person() as mallory:
            await run.register(mallory)
            await wrong_messages(run, mallory, bob)
        call_id = await run.talk(alice, bob)
        await alice.send("CALL_END", callId=call_id, reason=run.word("reason"))
        await bob.expects("CALL_ENDED")
        call_id = await run.call(bob, carol)
        await carol.send("CALL_REJECT", callId=call_id, reason=run.word("reason"))
        await bob.expects("CALL_REJECTED")
        await run.call(alice, carol)
        call_id = await run.talk(alice, bob)
        bob.drop()
        await alice.send("ICE_CANDIDATE", callId=call_id, candidate=run.word("candidate"))
        # One call rings out, the other one's hold expires.
        await alice.expects("CALL_ENDED")
        await alice.expects("CALL_ENDED")
        await carol.expects("CALL_ENDED")
        if run.kind == "ours":
            await alice.has_proved()
        async with Person(run.running.ws_url, alice.id) as newer:
            await run.register(newer)
            await alice.expects_close(4409)
            await misbehaviour(run, newer)
        # Nothing is sent any more: the heartbeat timeout ends it.
        await carol.expects_close(4408, seconds=30)


async def wrong_messages(run: Run, mallory: Person, bob: Person) -> None:
    """Each of the five errors, with something to find in it."""
    wrong: list[str | bytes] = [
        run.word("nonsense"),
        frame(run.word("type")),
        frame("REGISTER", {"clientId": run.word("id")}),
        frame("REGISTER", {"clientId": run.word("id") + "\n"}),
        frame("CALL_INITIATE", {"targetId": run.word("id"), "sdpOffer": run.word("offer")}),
        frame("CALL_INITIATE", {"targetId": bob.id, "sdpOffer": {"sdp": run.word("offer")}}),
        frame("CALL_ACCEPT", {"callId": run.word("call"), "sdpAnswer": run.word("answer")}),
        frame("ICE_CANDIDATE", {"callId": run.word("call"), "candidate": run.word("candidate")}),
        frame("PKD_REGISTER", {"clientId": bob.id, "publicKey": run.word("key")}),
        frame("PKD_REGISTER", {"clientId": mallory.id, "publicKey": run.word("key") + "\0"}),
        frame("PKD_LOOKUP", {"clientId": run.word("id") + "!"}),
        run.word("binary").encode(),
        run.word("long") + "x" * 70_000,
        frame("HEARTBEAT")[:-1] + f',"a":{"[" * 3_000}',
    ]
    for text in wrong:
        await mallory.send_raw(text)
        await mallory.expects("ERROR")
    for _ in range(300):
        await mallory.send(run.word("flood"))
    assert {(await mallory.expects("ERROR"))["code"] for _ in range(300)} == {"INVALID_MESSAGE", "RATE_LIMITED"}


async def misbehaviour(run: Run, alice: Person) -> None:
    """Break handshakes, frames and HTTP, below the protocol."""
    origin = f"https://{run.word('origin')}.example.com"
    with pytest.raises(InvalidStatus):
        await Client(run.running.ws_url, origin=origin).__aenter__()
    with pytest.raises(InvalidStatus):
        await Client(run.running.ws_url.replace("signal", run.word("path"))).__aenter__()
    async with Client(f"{run.running.ws_url}?token={run.word('query')}") as client:
        with suppress(ConnectionClosed):
            await client.send_raw(run.word("huge") + "x" * 300_000)
        await client.expects_close(1009)
    async with Client(run.running.ws_url) as client:
        await client.connection.send(run.word("latin").encode() + b"\xe9", text=True)
        await client.expects_close(1007)
    for path in (f"/{run.word('path')}?{run.word('query')}", "/health", "/api/keys/", "/admin/"):
        headers = {"X-Forwarded-For": ADDRESS, "X-Real-IP": ADDRESS, "User-Agent": run.word("agent")}
        await asyncio.to_thread(run.running.get, path, headers | {"X-Forwarded-Proto": "https"})
        await asyncio.to_thread(run.running.get, path, headers | {"Host": f"{run.word('host')}.example"})
    for sent in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        f"{run.word('verb')} / HTTP/1.1\r\n\r\n".encode(),
        f"GET /{run.word('path')} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".encode(),
    ):
        with closing(socket.create_connection((run.running.host, run.running.port), 5)) as bare:
            bare.sendall(sent)
            bare.shutdown(socket.SHUT_WR)
            with suppress(OSError):
                await asyncio.to_thread(bare.recv, 4096)
    twin = Person(run.running.ws_url, alice.id)
    await twin.__aenter__()
    twin.drop()
    async with run.person() as deaf:
        await run.register(deaf)
        call_id = await run.talk(alice, deaf)
        deaf.connection.transport.pause_reading()
        for _ in range(30):
            await alice.send("ICE_CANDIDATE", callId=call_id, candidate=run.word("candidate") + "x" * 60_000)
        deaf.drop()


@pytest.fixture(
    scope="module", params=["ours-memory", "ours-redis", pytest.param("uvicorn-memory", marks=pytest.mark.long)]
)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    kind, registry = request.param.split("-")
    database = Path(shutil.copy(database_template(), tmp_path_factory.mktemp("privacy") / "db.sqlite3"))
    env = ENV | {"DATABASE_URL": f"sqlite:///{database}"}
    redis: RedisServer | None = None
    if registry == "redis":
        redis = request.getfixturevalue("module_redis")
        env |= {"REDIS_URL": redis.url}
    with server(kind, env=env) as running:
        run = Run(kind, running, database)
        asyncio.run(everything_happens(run))
        if redis is not None:
            redis.stop()
            asyncio.run(without_redis(run))
            redis.start()
        asyncio.run(stopped(run))
        yield run


@pytest.fixture(scope="module")
def module_redis() -> Iterator[RedisServer]:
    try:
        with redis_server() as running:
            yield running
    except NotInstalledError as missing:
        skip_or_fail(missing)


async def without_redis(run: Run) -> None:
    async with run.person() as alice:
        await alice.send("REGISTER", clientId=alice.id)
        await alice.expects_error("RATE_LIMITED", "REGISTER")


async def stopped(run: Run) -> None:
    """A stop with somebody still connected, and a call under way."""
    async with run.person() as alice, run.person() as bob:
        for person in (alice, bob):
            async with asyncio.timeout(10):
                while True:
                    await person.send("REGISTER", clientId=person.id)
                    if (await person.next_message())["type"] == "REGISTERED":
                        break
                    await asyncio.sleep(0.2)
        await run.talk(alice, bob)
        run.running.signal(15)
        await asyncio.to_thread(run.running.wait)


# --- The log ----------------------------------------------------------------------------------------


def test_log_names_no_client_and_nothing_they_said(run: Run) -> None:
    log = run.running.log
    assert log
    for secret in (*run.clients, *run.keys, *run.calls, *run.said, TURN_SECRET):
        assert secret not in log, f"{secret} in the log:\n{lines_with(log, secret)}"


def test_log_holds_no_address(run: Run) -> None:
    addresses = (ADDRESS, ADDRESS_6, "127.0.0.1", "::1", "localhost")
    # Where uvicorn listens is its own address.
    log = "\n".join(line for line in run.running.log.splitlines() if "Uvicorn running on" not in line)
    for address in addresses:
        assert address not in log, lines_with(log, address)
    assert not re.search(r"\b\d{1,3}(\.\d{1,3}){3}\b", log)


def test_log_is_one_json_object_a_line(run: Run) -> None:
    for line in run.running.log.splitlines():
        assert isinstance(json.loads(line), dict), line


def test_log_reports_no_bug(run: Run) -> None:
    # uvicorn shows the trace of a text frame that is not UTF-8.
    log = "\n".join(line for line in run.running.log.splitlines() if "Invalid UTF-8 sequence" not in line)
    assert "Traceback" not in log, lines_with(log, "Traceback")


def lines_with(log: str, text: str) -> str:
    return "\n".join(line[:2000] for line in log.splitlines() if text in line)


# --- What is kept -----------------------------------------------------------------------------------


def tables(database: Path) -> dict[str, str]:
    """Every table's content as text."""
    with closing(sqlite3.connect(database)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: repr(connection.execute(f'SELECT * FROM "{name}"').fetchall()) for name in names}  # noqa: S608


def test_database_keeps_keys_and_nothing_else(run: Run) -> None:
    before, after = tables(database_template()), tables(run.database)
    changed = {name for name, rows in after.items() if rows != before[name]}
    assert changed - {"sqlite_sequence"} == {"pkd_publickey", "pkd_keychange"}
    for key in run.keys:
        assert key in after["pkd_publickey"]
    assert not any(client_id in before["pkd_publickey"] for client_id in run.clients)


def test_disk_holds_nothing_that_was_said(run: Run) -> None:
    directory = run.running.log_path.parent
    files = [path for place in (directory, run.database.parent) for path in place.rglob("*") if path.is_file()]
    assert run.database in files
    for path in files:
        content = path.read_bytes().decode("latin-1")
        for secret in (*run.calls, *run.said, TURN_SECRET, ADDRESS, ADDRESS_6):
            assert secret not in content, f"{secret} in {path.name}"


def test_what_is_searched_for_was_said(run: Run) -> None:
    assert len(run.clients) >= 6
    assert len(run.keys) == 3
    assert len(run.calls) >= 5
    assert len(run.said) > 100
    assert all(len(set(secret) & set(string.printable)) > 5 for secret in run.said)
