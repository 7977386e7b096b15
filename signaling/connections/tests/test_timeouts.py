"""The deadlines of connections that a node watches."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from pytest_django import Settings

from signaling.tests.people import ANSWER_SECONDS, Person, call

Join = Callable[..., Awaitable[Person]]
CALL = "call-of-this-test"


async def pair(join: Join) -> tuple[Person, Person]:
    return await (await join()).register("alice"), await (await join()).register("bob")


@pytest.mark.usefixtures("here")
async def test_connection_that_does_not_register_is_closed(join: Join, settings: Settings) -> None:
    settings.TIMEOUTS = replace(settings.TIMEOUTS, registration_seconds=0.3)
    alice = await join()
    await alice.expects_nothing()
    bob = await (await join()).register("bob")
    await alice.expects_close(4408)
    await bob.expects_nothing()


@pytest.mark.usefixtures("here")
async def test_connection_that_falls_silent_is_closed_and_held(join: Join, settings: Settings) -> None:
    alice, bob = await pair(join)
    call_id = await call(alice, bob)
    settings.TIMEOUTS = replace(settings.TIMEOUTS, heartbeat_seconds=0.6)
    # Whoever came before the setting keeps its first deadline; these two come after it.
    alice, bob = await pair(join)
    loop = asyncio.get_running_loop()
    closed = asyncio.ensure_future(bob.socket.receive_output(ANSWER_SECONDS))
    began = loop.time()
    while not closed.done():
        await alice.expects_nothing()
        await asyncio.sleep(0.05)
    assert (await closed)["code"] == 4408
    assert loop.time() - began > 0.5
    await bob.leaves(1000)
    await alice.send("ICE_CANDIDATE", callId=call_id, candidate="while away")
    again = await (await join()).register("bob")
    await again.expects("ICE_CANDIDATE", candidate="while away")


@pytest.mark.usefixtures("here")
async def test_ping_frames_count_as_life(join: Join, settings: Settings) -> None:
    settings.TIMEOUTS = replace(settings.TIMEOUTS, heartbeat_seconds=0.6)
    alice, bob = await pair(join)
    closed = asyncio.ensure_future(bob.socket.receive_output(ANSWER_SECONDS))
    while not closed.done():
        await alice.socket.send_input({"type": "websocket.ping"})
        await asyncio.sleep(0.05)
    assert (await closed)["code"] == 4408
    await alice.expects_nothing()
