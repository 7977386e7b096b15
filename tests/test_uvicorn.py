"""The application over plain ASGI, on a real uvicorn: what docs/protocol.md promises of it, and what it cannot do."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme
from websockets.exceptions import ConnectionClosed

from tests.conftest import Join
from tests.support.client import Client
from tests.support.people import ANSWER, CANDIDATE, drops, until_closed
from tests.support.servers import SITE, RunningServer, announced_port, command_line, environment, run, server

REGISTRATION, HEARTBEAT, LATE = 1.0, 1.5, 1.5
BURST, REFUSALS = 20, 10
IMPATIENT = {
    "REGISTRATION_TIMEOUT_SECONDS": str(REGISTRATION),
    "HEARTBEAT_TIMEOUT_SECONDS": str(HEARTBEAT),
}
STRICT = {
    "LIMIT_MESSAGE_BURST": str(BURST),
    "LIMIT_MESSAGES_PER_SECOND": "1",
    "LIMIT_REFUSED_MESSAGES": str(REFUSALS),
}


@pytest.fixture(scope="module")
def uvicorn() -> Iterator[RunningServer]:
    with server("uvicorn", env={"LIMIT_MESSAGE_BURST": "1000"}) as running:
        yield running
        assert "Traceback" not in running.log


@pytest.fixture(scope="module")
def impatient() -> Iterator[RunningServer]:
    with server("uvicorn", env=IMPATIENT) as running:
        yield running


async def test_call_from_beginning_to_end(join: Join, uvicorn: RunningServer) -> None:
    alice, bob = await join("alice", uvicorn), await join("bob", uvicorn)
    call_id = await alice.rings(bob)
    await alice.send("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)
    await bob.expects("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)
    await bob.send("CALL_ACCEPT", callId=call_id, sdpAnswer=ANSWER)
    await alice.expects("CALL_ACCEPTED", callId=call_id, sdpAnswer=ANSWER)
    await bob.reaches(alice, call_id)
    await alice.send("CALL_END", callId=call_id)
    await bob.expects("CALL_ENDED", callId=call_id)


async def test_bad_frames_are_answered_and_the_connection_stays(join: Join, uvicorn: RunningServer) -> None:
    alice, bob = await join("alice", uvicorn), await join("bob", uvicorn)
    for frame in (b"\0", b"", "", "hello", "[" * 65_536, "x" * 65_537, '{"type":"NOPE"}'):
        await alice.send_raw(frame)
        await alice.expects("ERROR", code="INVALID_MESSAGE")
    await alice.talks_to(bob)


async def test_newest_connection_wins_and_has_the_calls(join: Join, uvicorn: RunningServer) -> None:
    alice, bob = await join("alice", uvicorn), await join("bob", uvicorn)
    call_id = await alice.talks_to(bob)
    newer = await join("bob", uvicorn, client_id=bob.id)
    await bob.expects_close(4409, "superseded")
    await alice.reaches(newer, call_id)


async def test_lost_connection_holds_its_calls(join: Join, uvicorn: RunningServer) -> None:
    alice, bob, carol = [await join(name, uvicorn) for name in ("alice", "bob", "carol")]
    call_id = await alice.talks_to(bob)
    await drops(bob, carol, call_id)
    bob = await join("bob", uvicorn, client_id=bob.id)
    await alice.reaches(bob, call_id)


# The second is what a browser's `close()` sends: no code.
@pytest.mark.parametrize("close_frame", ["8882 00000000 03e8", "8880 00000000"])
async def test_clean_close_ends_its_calls(join: Join, uvicorn: RunningServer, close_frame: str) -> None:
    alice, bob = await join("alice", uvicorn), await join("bob", uvicorn)
    call_id = await alice.talks_to(bob)
    bob.connection.transport.write(bytes.fromhex(close_frame))
    await alice.expects("CALL_ENDED", callId=call_id, reason="peer_disconnected")


async def test_silence_is_closed(join: Join, impatient: RunningServer) -> None:
    async with Client(impatient.ws_url) as stranger:
        silent = await join("silent", impatient)
        await stranger.expects_close(4408, "registration timeout", seconds=REGISTRATION + LATE)
        await silent.expects_close(4408, "heartbeat timeout", seconds=HEARTBEAT + LATE)


async def test_pings_are_answered_and_are_no_sign_of_life(join: Join, impatient: RunningServer) -> None:
    alice = await join("alice", impatient)
    pongs = 0
    async with asyncio.timeout(HEARTBEAT + LATE):
        with suppress(ConnectionClosed):
            while True:
                await (await alice.connection.ping())
                pongs += 1
                await asyncio.sleep(HEARTBEAT / 6)
    assert pongs > 1
    await alice.expects_close(4408, "heartbeat timeout")


async def refused_at_last(client: Client) -> None:
    """Everything that was said before the close comes before it."""
    sent = [asyncio.ensure_future(client.send("HEARTBEAT")) for _ in range(BURST + 2 * REFUSALS)]
    kinds: list[str] = []
    assert await until_closed(client, lambda message: kinds.append(message["type"])) == (4429, "too many requests")
    await asyncio.gather(*sent)
    assert kinds[:BURST] == ["HEARTBEAT_ACK"] * BURST
    assert kinds.count("ERROR") >= REFUSALS
    assert kinds[-1] == "ERROR"


async def test_frames_arrive_in_order_before_a_close() -> None:
    with server("uvicorn", env=STRICT) as running:
        async with Client(running.ws_url) as client:
            await refused_at_last(client)


async def test_frames_arrive_in_order_before_a_close_under_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with over_tls(authority, tmp_path) as running:
        async with Client(f"wss://localhost:{running.port}/signal", ssl=context) as client:
            await refused_at_last(client)


@contextmanager
def over_tls(authority: trustme.CA, directory: Path) -> Iterator[RunningServer]:
    """Run a uvicorn that ends TLS itself."""
    pem = directory / "key-and-certificate.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(pem))
    command = [*command_line("uvicorn", SITE, None), "--ssl-certfile", str(pem)]
    with run(command, directory / "log", environment(directory / "db.sqlite3", STRICT)) as process:
        running = RunningServer(process, directory / "log", directory / "records")
        running.port = announced_port(running, "uvicorn")
        yield running
