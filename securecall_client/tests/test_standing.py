"""Calls that go on when their client loses its line."""

import asyncio
import json
from collections.abc import Awaitable
from typing import Any

import pytest
from websockets.sync.server import ServerConnection

from securecall_client import (
    BackOff,
    CallAccept,
    CallAccepted,
    CallEnd,
    CallEnded,
    CallInitiate,
    CallReject,
    Client,
    Disconnected,
    IncomingCall,
    OpenCall,
    Registered,
    new_call_id,
    new_client_id,
)
from securecall_client.standing import CallRequest, Standing
from securecall_client.tests.conftest import comes
from tests.support.deaf_lines import DeafLines
from tests.support.impostor import impostor
from tests.support.people import ANSWER, OFFER
from tests.support.servers import RunningServer

SOON = BackOff(first=0.05, longest=0.2)
RINGING = [OpenCall("one", "bob", "callee", "ringing")]
ACTIVE = [OpenCall("one", "bob", "callee", "active")]


@pytest.mark.parametrize(
    ("request_", "listed", "is_done"),
    [
        pytest.param(CallInitiate("bob", OFFER, "one"), [], False, id="not placed"),
        pytest.param(CallInitiate("bob", OFFER, "one"), RINGING, True, id="placed"),
        pytest.param(CallAccept("one", ANSWER), [], False, id="accept of a call that is gone"),
        pytest.param(CallAccept("one", ANSWER), RINGING, False, id="not accepted"),
        pytest.param(CallAccept("one", ANSWER), ACTIVE, True, id="accepted"),
        pytest.param(CallReject("one"), RINGING, False, id="not rejected"),
        pytest.param(CallReject("one"), [], True, id="rejected"),
        pytest.param(CallEnd("one"), ACTIVE, False, id="not ended"),
        pytest.param(CallEnd("one"), [], True, id="ended"),
    ],
)
def test_list_says_whether_a_request_was_carried_out(
    request_: CallRequest, listed: list[OpenCall], *, is_done: bool
) -> None:
    standing = Standing()
    standing.registered(listed)
    assert standing.is_done(request_, "one") is is_done


def test_call_that_is_not_listed_any_more_is_gone_unless_its_end_was_heard() -> None:
    standing = Standing()
    standing.did(CallInitiate("bob", OFFER, "placed"), "placed")
    standing.did(CallInitiate("bob", OFFER, "cancelled"), "cancelled")
    standing.did(CallEnd("cancelled"), "cancelled")
    standing.heard(IncomingCall("rings", "bob", OFFER))
    standing.heard(IncomingCall("ended", "bob", OFFER))
    standing.heard(CallEnded("ended"))
    standing.registered([OpenCall("rings", "bob", "callee", "ringing")])
    # A new one cannot have been listed.
    standing.heard(IncomingCall("new", "bob", OFFER))
    assert standing.gone() == [CallEnded("placed", "gone")]
    standing.registered(None)
    assert standing.gone() == []


async def lose_answer(lines: DeafLines, client: Client, request: Awaitable[object], *, when: Awaitable[object]) -> None:
    """Make a request whose answer is lost with its line, once the server has carried it out."""
    line = lines.lines[-1]
    line.goes_deaf()
    asked = asyncio.ensure_future(request)
    await when
    line.is_left_by_client()
    await comes(client, Disconnected)
    await asked
    await comes(client, Registered)


async def test_requests_whose_answers_are_lost_with_the_line_are_carried_out_once(running: RunningServer) -> None:
    async with (
        DeafLines.before(running) as ours,
        DeafLines.before(running) as theirs,
        Client(ours.ws_url, new_client_id("alice"), reconnect=SOON) as alice,
        Client(theirs.ws_url, new_client_id("bob"), reconnect=SOON) as bob,
    ):
        for client in (alice, bob):
            await comes(client, Registered)
        call_id = new_call_id()
        await lose_answer(ours, alice, alice.call(bob.id, OFFER, call_id), when=comes(bob, IncomingCall))
        await lose_answer(theirs, bob, bob.accept(call_id, ANSWER), when=comes(alice, CallAccepted))
        await lose_answer(ours, alice, alice.end(call_id), when=comes(bob, CallEnded))
        # Nothing else came meanwhile.
        await alice.call(bob.id, OFFER)
        await comes(bob, IncomingCall)


@pytest.mark.parametrize(
    ("request_", "refused_with"),
    [
        (CallInitiate("bob", OFFER, "one"), "INVALID_MESSAGE"),
        (CallAccept("one", ANSWER), "CALL_NOT_FOUND"),
        (CallReject("one"), "CALL_NOT_FOUND"),
        (CallEnd("one"), "CALL_NOT_FOUND"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_refusal_says_whether_a_request_was_carried_out_where_no_calls_are_listed(
    request_: CallRequest, refused_with: str
) -> None:
    standing = Standing()
    standing.registered(None)
    assert not standing.is_done(request_, "one")
    assert standing.was_done(request_, refused_with)
    assert not standing.was_done(request_, "RATE_LIMITED")
    standing.registered([])
    assert not standing.was_done(request_, refused_with)


async def test_call_that_ended_unheard_is_told_once() -> None:
    active = {"callId": "one", "peerId": "bob", "role": "caller", "state": "active"}
    registered: list[dict[str, Any]] = [{"calls": [active]}, {"calls": []}, {"calls": []}]

    def forgets(connection: ServerConnection) -> None:
        request = json.loads(connection.recv())["payload"]
        assert request["calls"] is True
        payload = {"clientId": request["clientId"], "iceServers": []} | registered.pop(0)
        connection.send(json.dumps({"type": "REGISTERED", "payload": payload}))
        if len(registered) == 1:
            connection.recv()
            connection.send(json.dumps({"type": "HEARTBEAT_ACK", "payload": {}}))
        if registered:
            connection.close(1012)
        for _ in connection:
            pass

    with impostor(forgets) as url:
        async with Client(url, "alice", reconnect=SOON) as alice:
            await comes(alice, Registered)
            await comes(alice, Disconnected)
            await comes(alice, Registered)
            assert await comes(alice, CallEnded) == CallEnded("one", "gone")
            await comes(alice, Disconnected)
            await comes(alice, Registered)
