"""The application on a server that has nothing but `receive` and `send`, and raises from `send`."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec import Raw

from signaling.cluster.node import Node
from signaling.delivery.events import relayed
from signaling.protocol.server_messages import PeerIceCandidate
from signaling.registry.outcomes import Joined
from signaling.routing import websocket_application as application
from signaling.tests.people import Person, call

Join = Callable[..., Awaitable[Person]]


class BrokenServerError(Exception):
    """No error that ASGI knows of."""


class Server:
    """Passes on what is sent, but raises `fault`, if there is one, for events of type `about`."""

    def __init__(self, about: str = "websocket.send") -> None:
        self.about = about
        self.fault: Exception | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_or_raise(event: Any) -> None:
            if self.fault is not None and event["type"] == self.about:
                raise self.fault
            await send(event)

        await application(scope, receive, send_or_raise)


# What a bug raises, and uvicorn for a frame after its own close.
@pytest.mark.parametrize("fault", [BrokenServerError, RuntimeError])
@pytest.mark.usefixtures("here")
async def test_client_that_cannot_be_written_to_ends_alone(join: Join, fault: type[Exception]) -> None:
    broken = Server()
    alice, carol = [await (await join(server=Server())).register(name) for name in ("alice", "carol")]
    bob = await (await join(server=broken)).register("bob")
    first, second = await call(alice, bob), await call_from(carol, bob)
    broken.fault = fault("nothing to tell")
    await alice.send("ICE_CANDIDATE", callId=first, candidate="one")
    await carol.send("ICE_CANDIDATE", callId=second, candidate="two")
    await bob.expects_close(1011)
    await bob.leaves(1011)
    for one in (alice, carol):
        await one.expects_nothing()
    again = await (await join(server=Server())).register("bob")
    # It rings still.
    await again.expects("INCOMING_CALL", callId=second)
    for call_id, word in ((first, "one"), (second, "two")):
        await again.expects("ICE_CANDIDATE", callId=call_id, candidate=word)


@pytest.mark.usefixtures("here")
async def test_client_that_is_gone_when_redis_is_back_is_held_all_of_it(here: Node, join: Join) -> None:
    gone = Server()
    alice, bob = await (await join()).register("alice"), await (await join(server=gone)).register("bob")
    call_id = await call(alice, bob)
    (connection,) = [member.connection for member in here.members if member.connection.client_id == "bob"]
    gone.fault = ConnectionResetError()
    connection.park()
    held = [relayed(PeerIceCandidate(call_id, Raw(candidate))) for candidate in (b'"first"', b'"second"')]
    connection.rejoin(Joined(dict(connection.legs), held))
    await bob.is_cut_off()
    again = await (await join()).register("bob")
    await again.expects("ICE_CANDIDATE", callId=call_id, candidate="first")
    await again.expects("ICE_CANDIDATE", callId=call_id, candidate="second")


async def test_call_that_rings_rings_again(here: Node, join: Join) -> None:
    """Nothing is proved here, yet what rings is known."""
    alice, bob = [await (await join(server=Server())).register(name) for name in ("alice", "bob")]
    call_id = await call(alice, bob, is_answered=False)
    await alice.send("ICE_CANDIDATE", callId=call_id, candidate="1")
    await bob.expects("ICE_CANDIDATE")
    for _ in range(2):
        await bob.is_cut_off()
        bob = await (await join(server=Server())).register("bob")
        await bob.expects("INCOMING_CALL", callId=call_id)
        await bob.expects("ICE_CANDIDATE", candidate="1")
        await bob.expects_nothing()
    await bob.send("CALL_REJECT", callId=call_id)
    await alice.expects("CALL_REJECTED")
    await here.relay.proofs.ask(0)
    assert (len(here.relay.proofs), here.relay.room.size) == (0, 0)


async def call_from(caller: Person, callee: Person) -> str:
    await caller.send("CALL_INITIATE", targetId="bob", sdpOffer="v=0")
    incoming = await callee.expects("INCOMING_CALL")
    call_id: str = incoming["callId"]
    return call_id


async def test_client_that_goes_before_it_was_accepted_is_no_bug(here: Node, caplog: pytest.LogCaptureFixture) -> None:
    events: asyncio.Queue[Any] = asyncio.Queue()
    for event in ({"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1006}):
        events.put_nowait(event)
    gone = Server("websocket.accept")
    gone.fault = ConnectionResetError()
    await gone({"type": "websocket", "path": "/signal", "headers": []}, events.get, events.put)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert len(here.members) == 0
    assert (await here.registry.status()).connections == 0
