"""A client's requests and events, on a real server."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from websockets.exceptions import InvalidStatus

from securecall_client import (
    CallAccepted,
    CallEnd,
    CallEnded,
    CallRejected,
    Candidate,
    Client,
    ClosedError,
    Disconnected,
    Error,
    ErrorCode,
    IceCandidate,
    IncomingCall,
    PkdLookup,
    PkdResult,
    Registered,
    RequestError,
    new_call_id,
    new_client_id,
)
from securecall_client.tests.conftest import comes
from tests.support.people import ANSWER, CANDIDATE, OFFER
from tests.support.servers import RunningServer, server

CANDIDATES: list[Candidate] = [CANDIDATE, {"candidate": CANDIDATE, "sdpMid": "0", "sdpMLineIndex": 0}, ""]


@pytest.fixture
async def alice(running: RunningServer) -> AsyncIterator[Client]:
    async with Client(running.ws_url, new_client_id("alice")) as client:
        await comes(client, Registered)
        yield client


@pytest.fixture
async def bob(running: RunningServer) -> AsyncIterator[Client]:
    async with Client(running.ws_url, new_client_id("bob")) as client:
        await comes(client, Registered)
        yield client


async def test_client_is_registered_when_it_is_entered(running: RunningServer) -> None:
    async with Client(running.ws_url, new_client_id("carol")) as client:
        registered = await comes(client, Registered)

    assert registered.client_id == client.id
    assert registered.calls == []
    (relay,) = registered.ice_servers
    assert relay.urls == "turn:relay.example.com:3478?transport=udp"
    assert relay.username is not None
    assert relay.username.endswith(f":{client.id}")


async def test_call_goes_from_its_offer_to_its_end(alice: Client, bob: Client) -> None:
    call_id = await alice.call(bob.id, OFFER)
    incoming = await comes(bob, IncomingCall)
    assert (incoming.call_id, incoming.caller_id, incoming.sdp_offer) == (call_id, alice.id, OFFER)
    assert len(incoming.ice_servers) == 1

    await bob.accept(call_id, ANSWER)
    accepted = await comes(alice, CallAccepted)
    assert (accepted.call_id, accepted.sdp_answer) == (call_id, ANSWER)

    for sender, receiver in ((alice, bob), (bob, alice)):
        for candidate in CANDIDATES:
            await sender.send_candidate(call_id, candidate)
        for candidate in CANDIDATES:
            assert await comes(receiver, IceCandidate) == IceCandidate(call_id, candidate)

    await alice.end(call_id, "bye")
    assert await comes(bob, CallEnded) == CallEnded(call_id, "bye")


async def test_call_is_rejected_with_a_reason(alice: Client, bob: Client) -> None:
    call_id = await alice.call(bob.id, OFFER)
    await comes(bob, IncomingCall)

    await bob.reject(call_id, "busy")

    assert await comes(alice, CallRejected) == CallRejected(call_id, "busy")


async def test_call_has_the_id_that_its_caller_chose(alice: Client, bob: Client) -> None:
    chosen = new_call_id()

    assert await alice.call(bob.id, OFFER, chosen) == chosen
    assert (await comes(bob, IncomingCall)).call_id == chosen


async def test_call_to_nobody_raises_what_the_server_says(alice: Client) -> None:
    call_id = new_call_id()

    with pytest.raises(RequestError, match="is not connected") as refused:
        await alice.call(new_client_id("nobody"), OFFER, call_id)

    error = refused.value
    assert (error.code, error.request, error.call_id) == (ErrorCode.TARGET_NOT_FOUND, "CALL_INITIATE", call_id)
    assert error.retry_after is None
    assert str(error) == f"CALL_INITIATE was answered with TARGET_NOT_FOUND: {error.message}"


async def test_requests_for_a_call_that_is_gone_raise(alice: Client) -> None:
    gone = new_call_id()

    for request in (alice.accept(gone, ANSWER), alice.reject(gone), alice.end(gone)):
        with pytest.raises(RequestError) as refused:
            await request
        assert (refused.value.code, refused.value.call_id) == (ErrorCode.CALL_NOT_FOUND, gone)


async def test_offer_that_is_too_long_raises(alice: Client, bob: Client) -> None:
    with pytest.raises(RequestError) as refused:
        await alice.call(bob.id, "x" * 66_000)

    assert (refused.value.code, refused.value.request) == (ErrorCode.INVALID_MESSAGE, "CALL_INITIATE")


async def test_candidate_that_is_refused_is_told_as_an_event(alice: Client) -> None:
    gone = new_call_id()

    await alice.send_candidate(gone, CANDIDATE)

    error = await comes(alice, Error)
    assert (error.code, error.request, error.call_id) == ("CALL_NOT_FOUND", "ICE_CANDIDATE", gone)


async def test_message_that_is_only_sent_is_answered_by_an_event(alice: Client, bob: Client) -> None:
    await alice.send(PkdLookup(bob.id))
    assert await comes(alice, PkdResult) == PkdResult(bob.id, None)

    await alice.send(CallEnd(new_call_id()))
    assert (await comes(alice, Error)).request == "CALL_END"


async def test_key_is_published_and_looked_up(alice: Client, bob: Client) -> None:
    assert await bob.look_up_key(alice.id) is None

    await alice.publish_key("MCowBQYDK2VuAyEAMPnPiYvQ0dDWUtPa")

    assert await bob.look_up_key(alice.id) == "MCowBQYDK2VuAyEAMPnPiYvQ0dDWUtPa"


async def test_key_that_is_refused_raises(alice: Client) -> None:
    with pytest.raises(RequestError, match="publicKey") as refused:
        await alice.publish_key("")

    assert refused.value.code == ErrorCode.INVALID_MESSAGE


async def test_turn_credentials_are_for_this_client(alice: Client) -> None:
    credentials = await alice.turn_credentials()

    (relay,) = credentials.ice_servers
    assert relay.username == f"{credentials.expires_at}:{alice.id}"


async def test_requests_at_once_get_each_its_own_answer(alice: Client, bob: Client) -> None:
    await alice.publish_key("alice's")
    await bob.publish_key("bob's")

    refused, hers, his, theirs, credentials = await asyncio.gather(
        alice.end(new_call_id()),
        alice.look_up_key(alice.id),
        alice.look_up_key(bob.id),
        alice.call(bob.id, OFFER),
        alice.turn_credentials(),
        return_exceptions=True,
    )

    assert isinstance(refused, RequestError)
    assert (hers, his) == ("alice's", "bob's")
    assert (await comes(bob, IncomingCall)).call_id == theirs
    assert not isinstance(credentials, BaseException)


async def test_request_that_was_given_up_leaves_its_answer_to_nobody_else(alice: Client, bob: Client) -> None:
    await bob.publish_key("bob's")
    given_up = asyncio.create_task(alice.look_up_key(alice.id))
    # Until it is sent.
    await asyncio.sleep(0)
    given_up.cancel()

    assert await alice.look_up_key(bob.id) == "bob's"


async def test_client_that_is_left_ends_its_calls(running: RunningServer, alice: Client) -> None:
    async with Client(running.ws_url, new_client_id("carol")) as carol:
        call_id = await carol.call(alice.id, OFFER)
        await comes(alice, IncomingCall)

    assert await comes(alice, CallEnded) == CallEnded(call_id, "peer_disconnected")


async def test_client_that_is_closed_says_nothing_more(running: RunningServer) -> None:
    client = Client(running.ws_url, new_client_id("carol"))
    async with client:
        await comes(client, Registered)
        await client.close()

        assert [event async for event in client] == [event async for event in client] == []
        for request in (client.send(PkdLookup("bob")), client.look_up_key("bob"), client.call("bob", OFFER)):
            with pytest.raises(ClosedError):
                await request


async def test_server_that_cannot_be_reached_is_told_at_once(running: RunningServer) -> None:
    with pytest.raises(ConnectionRefusedError):
        await Client("ws://127.0.0.1:1/signal", "alice").__aenter__()
    with pytest.raises(InvalidStatus):
        await Client(f"{running.ws_url}/elsewhere", "alice").__aenter__()


async def test_client_id_that_is_none_is_told_at_once(running: RunningServer) -> None:
    with pytest.raises(RequestError, match="clientId") as refused:
        await Client(running.ws_url, "not an ID").__aenter__()

    assert refused.value.request == "REGISTER"


async def test_heartbeats_keep_a_client_that_says_nothing() -> None:
    with server(env={"HEARTBEAT_TIMEOUT_SECONDS": "1"}) as impatient:
        async with (
            Client(impatient.ws_url, "alive", heartbeat_seconds=0.2) as alive,
            Client(impatient.ws_url, "silent") as silent,
        ):
            await comes(silent, Registered)
            # The silent one is gone after the time that both had.
            closed = await comes(silent, Disconnected)
            assert closed.loss.close_code == 4408

            await comes(alive, Registered)
            assert await alive.look_up_key("silent") is None
            await alive.close()
            assert [event async for event in alive] == []
