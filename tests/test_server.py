import asyncio
import json
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trustme
from websockets.exceptions import InvalidHandshake, InvalidStatus

from tests.conftest import Start
from tests.support.client import Client
from tests.support.servers import (
    ROOT,
    Kind,
    RunningServer,
    command_line,
    database_template,
    environment,
    eventually,
    server,
)

RECORDER = "tests.support.recorder:application"
# Enough for 50 MB on a busy machine; two tests wait for its end.
DRAIN_SECONDS = 8
CAP_BYTES = 262_144


@pytest.fixture(scope="module")
def standing() -> Iterator[RunningServer]:
    """For the tests that do not stop it."""
    with server(application=RECORDER) as running:
        yield running


@pytest.fixture
def stoppable() -> Iterator[RunningServer]:
    with server(application=RECORDER, env={"DRAIN_SECONDS": str(DRAIN_SECONDS)}) as running:
        yield running


def url(running: RunningServer, path: str) -> str:
    return running.ws_url.removesuffix("/signal") + path


def release(running: RunningServer) -> None:
    """Let what waits on the paths /held and /slow go on."""
    running.records_path.with_name("release").touch()


async def upgrade(running: RunningServer, path: str, version: int = 13) -> socket.socket:
    """Send an opening handshake over a bare socket, which then answers nothing by itself."""
    bare = await asyncio.to_thread(socket.create_connection, (running.host, running.port), 10)
    bare.sendall(handshake(path, version))
    return bare


def handshake(path: str, version: int = 13) -> bytes:
    headers = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: {version}\r\n"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}{key}\r\n".encode()


# --- Stopping ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_stop_tells_every_client_and_lets_every_consumer_clean_up(
    stoppable: RunningServer, number: signal.Signals
) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(stoppable.ws_url)) for _ in range(50)]
        stoppable.signal(number)
        for client in clients:
            await client.expects_close(1012, "service restart")
        assert await asyncio.to_thread(stoppable.wait, DRAIN_SECONDS) == 0
    lines = stoppable.records()
    assert [line["code"] for line in lines if line["event"] == "disconnect"] == [1012] * 50
    assert sum(line["event"] == "cleaned" for line in lines) == 50


async def test_application_hears_of_the_start_first_and_of_the_stop_last(stoppable: RunningServer) -> None:
    async with Client(stoppable.ws_url):
        assert await asyncio.to_thread(stoppable.stop) == 0
    events = [line["event"] for line in stoppable.records()]
    assert events == ["lifespan.startup", "connect", "disconnect", "cleaned", "lifespan.shutdown"]


async def test_stop_drops_a_client_that_never_answers_the_close(stoppable: RunningServer) -> None:
    with await upgrade(stoppable, "/signal") as mute:
        assert b" 101 " in await asyncio.to_thread(mute.recv, 4096)
        assert await asyncio.to_thread(stoppable.stop) == 0
    await stoppable.recorded(event="disconnect", code=1012)
    await stoppable.recorded(event="cleaned")
    assert "cancelling" not in stoppable.log


async def test_stop_gives_its_own_code_whatever_the_client_answers(stoppable: RunningServer) -> None:
    with await upgrade(stoppable, "/signal") as bare:
        assert b" 101 " in await asyncio.to_thread(bare.recv, 4096)
        stoppable.signal(signal.SIGTERM)
        assert await asyncio.to_thread(bare.recv, 4096) == bytes.fromhex("8811 03f4") + b"service restart"
        bare.sendall(bytes.fromhex("8882 00000000 03e8"))
        assert await asyncio.to_thread(stoppable.wait) == 0
    await stoppable.recorded(event="disconnect", code=1012)


async def test_stop_in_the_second_of_an_upgrade_hides_no_error(stoppable: RunningServer) -> None:
    # For up to a second daphne remembers the request that was upgraded, which has no application.
    async with Client(stoppable.ws_url) as held, Client(url(stoppable, "/held")):
        stoppable.signal(signal.SIGTERM)
        await held.expects_close(1012)
        await stoppable.recorded(event="disconnect", path="/held", code=1012)
        release(stoppable)
        assert await asyncio.to_thread(stoppable.wait) == 0
    await stoppable.recorded(event="cleaned", path="/held")
    assert "ERROR" not in stoppable.log


async def test_stop_refuses_a_handshake_that_is_still_open(stoppable: RunningServer) -> None:
    connecting = asyncio.create_task(Client(url(stoppable, "/unanswered")).__aenter__())
    await stoppable.recorded(event="connect", path="/unanswered")
    stoppable.signal(signal.SIGTERM)
    with pytest.raises(InvalidStatus, match="503"):
        await connecting
    assert await asyncio.to_thread(stoppable.wait) == 0
    await stoppable.recorded(event="cleaned", path="/unanswered")


async def test_stop_refuses_a_new_handshake_and_finishes_a_request(stoppable: RunningServer) -> None:
    request = asyncio.create_task(asyncio.to_thread(stoppable.get, "/held"))
    await stoppable.recorded(event="request")
    with await upgrade(stoppable, "/signal") as late:
        await asyncio.to_thread(late.recv, 4096)
    address = (stoppable.host, stoppable.port)
    with await asyncio.to_thread(socket.create_connection, address, 10) as late:
        late.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in await asyncio.to_thread(late.recv, 4096)
        stoppable.signal(signal.SIGTERM)
        await stoppable.logged("stopping")
        late.sendall(handshake("/signal"))
        assert b" 503 " in await asyncio.to_thread(late.recv, 4096)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, 10)
    release(stoppable)
    status, body = await request
    assert (status, len(body)) == (200, 50_000_000)
    assert await asyncio.to_thread(stoppable.wait) == 0


async def test_stop_cancels_a_consumer_that_does_not_end_in_time(stoppable: RunningServer) -> None:
    start = time.monotonic()
    async with Client(url(stoppable, "/stuck")):
        # A server that takes too long ends itself, with status 1.
        assert await asyncio.to_thread(stoppable.stop) == 0
    assert time.monotonic() - start >= DRAIN_SECONDS
    await stoppable.recorded(event="cleaned", path="/stuck")
    assert "cancelling 1 applications" in stoppable.log


async def test_stop_ends_in_time_although_a_thread_hangs() -> None:
    with server(application=RECORDER, env={"DRAIN_SECONDS": "0.5"}) as running:
        async with Client(url(running, "/blocked")):
            assert await asyncio.to_thread(running.stop) == 1


async def test_second_signal_exits_at_once(stoppable: RunningServer) -> None:
    async with Client(url(stoppable, "/stuck")):
        stoppable.signal(signal.SIGTERM)
        await stoppable.recorded(event="disconnect", path="/stuck")
        stoppable.signal(signal.SIGTERM)
        assert await asyncio.to_thread(stoppable.wait, 1) == 1


async def test_send_after_the_close_is_no_error(stoppable: RunningServer) -> None:
    with await upgrade(stoppable, "/slow") as mute:
        assert b" 101 " in await asyncio.to_thread(mute.recv, 4096)
        mute.sendall(bytes.fromhex("8182 00000000") + b"hi")
        await stoppable.recorded(event="receive", path="/slow")
        stoppable.signal(signal.SIGTERM)
        await stoppable.logged("stopping")
        release(stoppable)
        assert await asyncio.to_thread(stoppable.wait) == 0
    assert "ERROR" not in stoppable.log


# --- What the application is told -------------------------------------------------------------------


@pytest.mark.parametrize(("frame", "code"), [("8880 00000000", 1005), ("8882 00000000 0bb8", 3000)])
async def test_close_frame_of_the_peer_gives_its_code(standing: RunningServer, frame: str, code: int) -> None:
    with await upgrade(standing, f"/close-{code}") as bare:
        assert b" 101 " in await asyncio.to_thread(bare.recv, 4096)
        bare.sendall(bytes.fromhex(frame))
        await standing.recorded(event="disconnect", path=f"/close-{code}", code=code)


async def test_drop_gives_1006(standing: RunningServer) -> None:
    async with Client(url(standing, "/dropped")) as client:
        client.drop()
        await standing.recorded(event="disconnect", path="/dropped", code=1006)


async def test_close_by_the_application_carries_its_reason(standing: RunningServer) -> None:
    async with Client(url(standing, "/superseded")) as client:
        await client.send_raw("close")
        await client.expects_close(4409, "superseded")
    await standing.recorded(event="disconnect", path="/superseded", code=4409)


async def test_ping_is_answered_and_told(standing: RunningServer) -> None:
    async with Client(url(standing, "/ping")) as client:
        async with asyncio.timeout(5):
            await (await client.connection.ping(b"life"))
        await standing.recorded(event="ping", path="/ping")


async def test_unanswered_handshake_ends(standing: RunningServer) -> None:
    with pytest.raises((InvalidHandshake, EOFError)):
        await Client(url(standing, "/unanswered"), open_timeout=15).__aenter__()
    await standing.recorded(event="disconnect", path="/unanswered", code=1006)


async def test_handshake_that_is_wrong_leaves_no_trace(standing: RunningServer) -> None:
    with await upgrade(standing, "/wrong", version=99) as bare:
        assert b" 400 " in await asyncio.to_thread(read_to_the_end, bare)
    assert standing.is_healthy()
    assert "AttributeError" not in standing.log


# --- Size and pace ----------------------------------------------------------------------------------


async def test_frame_of_the_cap_passes(standing: RunningServer) -> None:
    async with Client(url(standing, "/largest")) as client:
        await client.send_raw("x" * CAP_BYTES)
        assert await client.connection.recv() == "x" * CAP_BYTES


@pytest.mark.parametrize("size", [CAP_BYTES + 1, 300_000, 5_000_000])
async def test_frame_above_the_cap_closes_with_1009(standing: RunningServer, size: int) -> None:
    path = f"/large-{size}"
    async with Client(url(standing, path)) as client:
        await client.send_raw("x" * size)
        await client.expects_close(1009)
    await standing.recorded(event="disconnect", path=path, code=1009)
    assert not any(line["event"] == "receive" for line in standing.records() if line["path"] == path)


async def test_fragments_above_the_cap_close_with_1009(standing: RunningServer) -> None:
    async with Client(url(standing, "/fragments")) as client:
        await client.connection.send(["x" * 50_000] * 6)
        await client.expects_close(1009)
    await standing.recorded(event="disconnect", path="/fragments", code=1009)


async def test_text_that_is_not_utf8_closes_with_1007(standing: RunningServer) -> None:
    async with Client(url(standing, "/latin")) as client:
        await client.connection.send(b"\xe9", text=True)
        await client.expects_close(1007)


async def test_slow_reader_gets_its_backlog_and_then_the_close(standing: RunningServer) -> None:
    async with Client(url(standing, "/flooded")) as client:
        await client.send_raw("flood")
        # Longer than autobahn's own second for the closing handshake.
        client.connection.transport.pause_reading()
        await asyncio.sleep(2.5)
        client.connection.transport.resume_reading()
        assert [len(await client.connection.recv()) for _ in range(100)] == [200_000] * 100
        await client.expects_close(4507, "slow consumer")


async def test_peer_faster_than_the_application_is_held_back(stoppable: RunningServer) -> None:
    size, count = 200_000, 400
    sent = 0

    async def send_all(client: Client) -> None:
        nonlocal sent
        for _ in range(count):
            await client.send_raw("x" * size)
            sent += 1

    async with Client(url(stoppable, "/slow"), max_queue=None) as client:
        sending = asyncio.create_task(send_all(client))
        done, _ = await asyncio.wait([sending], timeout=3)
        assert not done, "the server read 80 MB ahead of its application"
        assert sent * size < 40_000_000
        release(stoppable)
        await sending
        await stoppable.recorded(event="receive", count=count, seconds=20)


# --- Bugs in the application ------------------------------------------------------------------------


async def test_exception_closes_with_1011_at_once_and_is_logged_once(stoppable: RunningServer) -> None:
    async with Client(url(stoppable, "/broken")) as client:
        await client.send_raw("anything")
        await client.expects_close(1011, seconds=0.5)
    await stoppable.recorded(event="cleaned")
    assert await asyncio.to_thread(stoppable.stop) == 0
    errors = [json.loads(line) for line in stoppable.log.splitlines() if "BrokenError" in line]
    assert len(errors) == 1
    assert errors[0]["level"] == "ERROR"
    assert "Traceback" in errors[0]["exc_info"]


async def test_exception_before_the_accept_answers_500(stoppable: RunningServer) -> None:
    with pytest.raises(InvalidStatus, match="500"):
        await Client(url(stoppable, "/early")).__aenter__()


async def test_exception_in_half_a_response_ends_it(stoppable: RunningServer) -> None:
    with socket.create_connection((stoppable.host, stoppable.port), 5) as bare:
        bare.sendall(b"GET /half HTTP/1.1\r\nHost: localhost\r\n\r\n")
        response = await asyncio.to_thread(read_to_the_end, bare)
    assert b"half" in response
    assert not response.endswith(b"0\r\n\r\n")
    assert await asyncio.to_thread(stoppable.stop) == 0
    assert stoppable.log.count("Traceback") == 1


def read_to_the_end(bare: socket.socket) -> bytes:
    return b"".join(iter(lambda: bare.recv(4096), b""))


# --- Logs and command line --------------------------------------------------------------------------


async def test_log_is_json_and_holds_no_address() -> None:
    with server(application=RECORDER, options=("--application-close-timeout", "0")) as running:
        async with Client(url(running, "/stuck")):
            pass
        # Daphne would name the connection, with the address.
        await running.logged("outlived its connection")
        assert running.stop() == 0
        lines = [json.loads(line) for line in running.log.splitlines()]
        assert "127.0.0.1" not in running.log
    assert [line["message"] for line in lines if "listening" in line["message"]] == [
        f"listening on port {running.port}"
    ]
    assert {line["logger"] for line in lines if line["level"] == "INFO"} == {"securecall_site.server"}


async def test_one_port_takes_ipv4_and_ipv6() -> None:
    with server(application=RECORDER, options=("--bind", "::")) as running:
        for running.host in ("127.0.0.1", "[::1]"):
            async with Client(running.ws_url) as client:
                await client.send_raw("hello")
                assert await client.connection.recv() == "hello"


async def test_port_in_use_ends_the_start(standing: RunningServer) -> None:
    with (
        pytest.raises(AssertionError, match="ended with status 1"),
        server(application=RECORDER, options=("--port", str(standing.port))),
    ):
        pass


@pytest.mark.parametrize("kind", ["ours", "daphne", "uvicorn"])
async def test_every_server_runs_the_site(start: Start, kind: Kind) -> None:
    async with Client(start(kind, "memory", 0).ws_url) as alice:
        await alice.register(f"alice-{secrets.token_hex(6)}")


# --- The command line -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate and its key in one file of PEM."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(path)
    return path


# The kinds of endpoints are tried on the parser, in serving/tests/test_endpoints.py.
@pytest.mark.parametrize(
    ("option", "endpoint"),
    [
        pytest.param("-e", "ssl:0:privateKey={pem}:certKey={pem}:interface=127.0.0.1", marks=pytest.mark.long),
        pytest.param("--endpoint", "tls:0:privateKey={pem}:certKey={pem}", marks=pytest.mark.long),
        ("--endp", "haproxy:ssl:0:privateKey={pem}:certKey={pem}:interface=127.0.0.1"),
    ],
)
def test_endpoint_with_tls_is_refused_with_a_sentence(
    option: str, endpoint: str, certificate: Path, tmp_path: Path
) -> None:
    database = Path(shutil.copy(database_template(), tmp_path / "db.sqlite3"))
    command = [*command_line("ours", RECORDER, None), option, endpoint.format(pem=certificate)]

    finished = subprocess.run(
        command, cwd=ROOT, env=environment(database), capture_output=True, text=True, check=False, timeout=60
    )

    assert finished.returncode == 1
    assert "this server speaks no TLS" in finished.stderr
    assert "listening" not in finished.stderr
    assert "Traceback" not in finished.stderr


async def test_endpoints_of_plain_sockets_are_served_beside_the_port(tmp_path: Path) -> None:
    endpoints = ("-e", "tcp:0:interface=127.0.0.1", "-e", f"unix:{tmp_path / 'socket'}")
    with server(application=RECORDER, options=endpoints) as running:
        async with Client(running.ws_url) as client:
            await client.send("HELLO")
        await asyncio.to_thread(
            eventually,
            lambda: running.log.count("listening on port") == 3 or None,
            lambda: running.log,
            10,
        )
