"""Reconnects of a client, and what of it stays."""

import asyncio
import json
import logging
from collections.abc import Callable

import pytest
from websockets.sync.server import ServerConnection

from securecall_client import (
    BackOff,
    CallAccepted,
    CallEnded,
    Client,
    ClosedError,
    Disconnected,
    ErrorCode,
    IceCandidate,
    IncomingCall,
    InvalidFrameError,
    Loss,
    NoReconnect,
    PkdLookup,
    PkdResult,
    ReconnectPolicy,
    Registered,
    RequestError,
    new_client_id,
)
from securecall_client.tests.conftest import comes
from tests.support.impostor import impostor
from tests.support.people import ANSWER, OFFER
from tests.support.servers import RunningServer, server

SOON = BackOff(first=0.05, longest=0.2)


class Always:
    """Connects again after everything, which the newer connection of the same client ID does not survive."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def delay_seconds(self, _loss: Loss, /) -> float:
        return self._seconds


# --- The policy ----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1006, 1011, 1012, 4408, 4429, 4503, 4507])
def test_back_off_begins_between_one_and_two_seconds(code: int) -> None:
    delays = [BackOff().delay_seconds(Loss(ClosedError(code))) for _ in range(100)]

    assert all(delay is not None and 1 <= delay <= 2 for delay in delays)
    assert len(set(delays)) > 1


def test_back_off_doubles_up_to_thirty_seconds() -> None:
    longest = [
        max(BackOff().delay_seconds(Loss(OSError(), attempts)) or 0 for _ in range(500))
        for attempts in (0, 1, 2, 3, 4, 5, 100_000)
    ]

    assert all(bound * 0.8 < most <= bound for most, bound in zip(longest, (2, 4, 8, 16, 30, 30, 30), strict=True))


def test_back_off_stays_away_after_4409() -> None:
    assert BackOff().delay_seconds(Loss(ClosedError(4409, "superseded"))) is None


@pytest.mark.parametrize(("asked", "waits"), [(45, 45), (3600, 3600), (30 * 86_400, 3600)])
def test_back_off_waits_as_long_as_the_server_asks_and_an_hour_at_most(asked: float, waits: float) -> None:
    refused = RequestError("RATE_LIMITED", "Too many connections.", retry_after=asked)

    assert BackOff().delay_seconds(Loss(refused)) == waits


def test_policy_can_stay_away() -> None:
    policy: ReconnectPolicy = NoReconnect()

    assert policy.delay_seconds(Loss(ClosedError(1012))) is None


# --- On a real server ----------------------------------------------------------------------------


async def test_call_goes_on_when_the_server_is_restarted(redis_database: Callable[[], str]) -> None:
    env = {"REDIS_URL": redis_database()}
    with server(env=env) as first, server(env=env) as second:
        doors = [first.ws_url]
        async with (
            Client(lambda: doors[0], "alice", reconnect=SOON) as alice,
            Client(second.ws_url, "bob", reconnect=SOON) as bob,
        ):
            call_id = await alice.call("bob", OFFER)
            await comes(bob, Registered)
            await comes(bob, IncomingCall)
            await bob.accept(call_id, ANSWER)
            await comes(alice, Registered)
            await comes(alice, CallAccepted)

            doors[0] = second.ws_url
            await asyncio.to_thread(first.stop)
            lost = await comes(alice, Disconnected)
            assert isinstance(lost.loss.error, ClosedError)
            assert (lost.loss.error.code, lost.loss.error.reason) == (1012, "service restart")
            assert lost.retry_in is not None
            await bob.send_candidate(call_id, "meanwhile")

            await comes(alice, Registered)
            assert await comes(alice, IceCandidate) == IceCandidate(call_id, "meanwhile")
            await alice.end(call_id)
            assert (await comes(bob, CallEnded)).call_id == call_id


async def test_newest_connection_supersedes_and_the_older_one_stays_away(running: RunningServer) -> None:
    client_id = new_client_id("alice")
    async with Client(running.ws_url, client_id, reconnect=SOON) as older:
        await comes(older, Registered)
        async with Client(running.ws_url, client_id) as newer:
            superseded = await comes(older, Disconnected)
            assert superseded.loss.close_code == 4409
            assert superseded.retry_in is None
            assert [event async for event in older] == []
            with pytest.raises(ClosedError, match="4409 superseded"):
                await older.look_up_key("bob")

            assert await newer.look_up_key("bob") is None


async def test_request_waits_for_the_next_connection_and_a_mere_message_does_not(running: RunningServer) -> None:
    client_id = new_client_id("alice")
    async with Client(running.ws_url, client_id, reconnect=Always(0.3)) as alice:
        await comes(alice, Registered)
        async with Client(running.ws_url, client_id, reconnect=NoReconnect()):
            await comes(alice, Disconnected)
            with pytest.raises(ClosedError):
                await alice.send(PkdLookup("bob"))
            given_up = asyncio.create_task(alice.look_up_key("bob"))
            await asyncio.sleep(0)
            given_up.cancel()
            assert await alice.look_up_key("bob") is None
            await comes(alice, Registered)


async def test_failed_attempts_are_told_until_one_succeeds(running: RunningServer) -> None:
    with server() as first:
        doors = [first.ws_url]
        async with Client(lambda: doors[0], new_client_id("alice"), reconnect=SOON) as alice:
            await comes(alice, Registered)
            doors[0] = "ws://127.0.0.1:1/signal"
            await asyncio.to_thread(first.stop)

            assert (await comes(alice, Disconnected)).loss.close_code == 1012
            for attempts in (1, 2):
                failed = await comes(alice, Disconnected)
                assert isinstance(failed.loss.error, ConnectionRefusedError)
                assert (failed.loss.failed_attempts, failed.loss.close_code) == (attempts, None)
            doors[0] = running.ws_url
            while isinstance(event := await anext(alice), Disconnected):
                pass
            assert isinstance(event, Registered)


async def test_policy_that_fails_ends_the_client_and_is_told(running: RunningServer) -> None:
    class Fails:
        def delay_seconds(self, _loss: Loss, /) -> float:
            raise ArithmeticError

    alice = Client(running.ws_url, new_client_id("alice"), reconnect=Fails())
    await alice.__aenter__()
    async with Client(running.ws_url, alice.id):
        assert [type(event) async for event in alice] == [Registered]
    with pytest.raises(ClosedError):
        await alice.look_up_key("bob")
    with pytest.raises(ArithmeticError):
        await alice.close()


async def test_client_that_is_closed_while_it_waits_does_not_come_back() -> None:
    with server() as first:
        async with Client(first.ws_url, "alice", reconnect=Always(3600)) as alice:
            await comes(alice, Registered)
            await asyncio.to_thread(first.stop)
            waiting = asyncio.create_task(alice.look_up_key("bob"))
            await comes(alice, Disconnected)

            await alice.close()

            assert [event async for event in alice] == []
            with pytest.raises(ClosedError):
                await waiting


# --- RATE_LIMITED --------------------------------------------------------------------------------


async def test_requests_that_are_too_many_are_sent_again() -> None:
    with server(env={"LIMIT_MESSAGE_BURST": "3", "LIMIT_MESSAGES_PER_SECOND": "10"}) as strict:
        async with Client(strict.ws_url, "alice", reconnect=NoReconnect()) as alice:
            keys = await asyncio.gather(*(alice.look_up_key(f"nobody-{number}") for number in range(10)))
            assert keys == [None] * 10

            once = [alice.request(PkdLookup(f"nobody-{number}"), PkdResult) for number in range(10)]
            refused = [it for it in await asyncio.gather(*once, return_exceptions=True) if isinstance(it, RequestError)]
            assert refused
            for error in refused:
                assert error.code == ErrorCode.RATE_LIMITED
                assert error.retry_after is not None
                assert 0 < error.retry_after <= 0.1


async def test_request_that_would_wait_too_long_raises_how_long() -> None:
    with server(env={"LIMIT_PKD_LOOKUPS_PER_MINUTE": "1"}) as strict:
        async with Client(strict.ws_url, "alice") as alice:
            await alice.look_up_key("bob")
            with pytest.raises(RequestError, match="RATE_LIMITED") as refused:
                await alice.look_up_key("bob")

    assert refused.value.retry_after is not None
    assert 10 < refused.value.retry_after <= 60


async def test_call_whose_heartbeat_is_refused_has_rung() -> None:
    with server(env={"LIMIT_MESSAGE_BURST": "2", "LIMIT_MESSAGES_PER_SECOND": "1"}) as strict:
        async with Client(strict.ws_url, "bob") as bob, Client(strict.ws_url, "alice", timeout=0.5) as alice:
            call_id = await alice.call("bob", OFFER)

            await comes(bob, Registered)
            assert (await comes(bob, IncomingCall)).call_id == call_id


async def test_server_that_takes_no_more_connections_is_left_alone_as_long_as_it_asks() -> None:
    with server() as first, server(env={"LIMIT_NEW_CONNECTIONS_PER_IP_PER_MINUTE": "1"}) as second:
        doors = [first.ws_url]
        async with Client(second.ws_url, "bob"), Client(lambda: doors[0], "alice", reconnect=SOON) as alice:
            await comes(alice, Registered)
            doors[0] = second.ws_url
            await asyncio.to_thread(first.stop)

            await comes(alice, Disconnected)
            refused = await comes(alice, Disconnected)
            assert isinstance(refused.loss.error, RequestError)
            assert refused.loss.error.code == ErrorCode.RATE_LIMITED
            assert refused.loss.retry_after > 1
            assert refused.retry_in == refused.loss.retry_after


# --- Servers that are not well -------------------------------------------------------------------


def registers(connection: ServerConnection) -> None:
    """Answer REGISTER."""
    client_id = json.loads(connection.recv())["payload"]["clientId"]
    connection.send(json.dumps({"type": "REGISTERED", "payload": {"clientId": client_id, "iceServers": []}}))


async def test_connection_on_which_nothing_comes_is_replaced() -> None:
    def falls_silent(connection: ServerConnection) -> None:
        registers(connection)
        for _ in connection:
            pass

    with impostor(falls_silent) as url:
        async with Client(url, "alice", reconnect=SOON, heartbeat_seconds=0.1) as alice:
            await comes(alice, Registered)
            assert (await comes(alice, Disconnected)).loss.close_code == 1006
            await comes(alice, Registered)


async def test_request_whose_connection_breaks_raises_how_it_was_closed() -> None:
    def closes(connection: ServerConnection) -> None:
        registers(connection)
        connection.recv()
        connection.close(1011, "internal error")

    with impostor(closes) as url:
        async with Client(url, "alice", reconnect=NoReconnect()) as alice:
            with pytest.raises(ClosedError, match="1011 internal error"):
                await alice.look_up_key("bob")


async def test_request_that_is_not_answered_times_out() -> None:
    def falls_silent(connection: ServerConnection) -> None:
        registers(connection)
        for _ in connection:
            pass

    with impostor(falls_silent) as url:
        async with Client(url, "alice", timeout=0.2) as alice:
            for request in (alice.look_up_key("bob"), alice.call("bob", OFFER)):
                with pytest.raises(TimeoutError):
                    await request


async def test_answer_that_cannot_be_read_is_raised_and_the_next_request_gets_its_own() -> None:
    def answers(connection: ServerConnection) -> None:
        registers(connection)
        for number, frame in enumerate(connection):
            client_id = json.loads(frame)["payload"].get("clientId")
            key = f"key of {client_id}" if number else [client_id]
            connection.send(json.dumps({"type": "PKD_RESULT", "payload": {"clientId": client_id, "publicKey": key}}))

    with impostor(answers) as url:
        async with Client(url, "alice", reconnect=NoReconnect()) as alice:
            with pytest.raises(InvalidFrameError, match="publicKey"):
                await alice.look_up_key("bob")
            for client_id in ("carol", "dave"):
                assert await alice.look_up_key(client_id) == f"key of {client_id}"


async def test_what_a_later_server_adds_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    secret = "word-that-no-log-may-hold"

    def is_newer(connection: ServerConnection) -> None:
        connection.send(json.dumps({"type": "WELCOME", "payload": {"secret": secret}}))
        registers(connection)
        for frame in (
            json.dumps({"type": "NEWS", "payload": {"secret": secret}}),
            json.dumps([secret]),
            secret,
            secret.encode(),
            json.dumps({"type": "CALL_ENDED", "payload": {"callId": [secret]}}),
            json.dumps({"type": "CALL_ENDED", "payload": {"callId": "one", "since": 7}, "id": 1}),
        ):
            connection.send(frame)
        for _ in connection:
            pass

    caplog.set_level(logging.INFO, "securecall_client")
    with impostor(is_newer) as url:
        async with Client(url, "alice", reconnect=NoReconnect()) as alice:
            await comes(alice, Registered)
            assert await comes(alice, CallEnded) == CallEnded("one")

    assert [record.levelname for record in caplog.records if record.name.startswith("securecall_client")] == [
        "INFO",
        *["WARNING"] * 4,
    ]
    assert secret not in caplog.text
