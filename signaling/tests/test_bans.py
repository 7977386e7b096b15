"""Bans as clients see them, on memory and Redis."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from channels.db import database_sync_to_async
from pytest_django import Settings

from bans import decisions
from bans.decisions import Subject
from bans.models import Ban
from bans.table import Row
from signaling import operations
from signaling.cluster import node
from signaling.cluster.bans import BANS_CHANGED
from signaling.cluster.node import Node
from signaling.telemetry.counters import counters
from signaling.tests.gate import Gate
from signaling.tests.people import ANSWER_SECONDS, Communicator, HandingOver, Person, call
from signaling.tests.stage import new_prefix, redis_process, use_redis
from tests.support.services import RedisServer

pytestmark = pytest.mark.django_db(transaction=True)

Join = Callable[..., Awaitable[Person]]
ALICE, NETWORK = Subject(client_id="alice"), Subject(network="203.0.113.0/24")
INSIDE, OUTSIDE = "203.0.113.77", "198.51.100.1"


async def ban(subject: Subject, seconds: int = 60) -> Ban:
    banned: Ban = await database_sync_to_async(decisions.ban)(subject, seconds, "olga", "spam")
    await operations.note_ban(decisions.row_of(banned))
    return banned


async def lift(number: int) -> None:
    lifted = await database_sync_to_async(decisions.lift)(number, "olga")
    await operations.note_ban(decisions.row_of(lifted))


async def is_accepted(address: str) -> bool:
    socket = Communicator(HandingOver(), "/signal")
    socket.scope["client"] = (address, 50_000)
    accepted, _ = await socket.connect(ANSWER_SECONDS)
    if accepted:
        await Person(socket).is_cut_off()
    return accepted


@pytest.mark.usefixtures("here")
async def test_banned_client_is_told_for_how_long_and_closed(join: Join) -> None:
    await ban(ALICE)
    alice = await join()
    await alice.send("REGISTER", clientId="alice")
    error = await alice.expects("ERROR", code="RATE_LIMITED", request="REGISTER")
    assert 50_000 < error["retryAfterMs"] <= 60_000
    await alice.expects_close(4503)
    await (await join()).register("bob")


@pytest.mark.usefixtures("here")
async def test_ban_ends_the_connection_of_its_client_and_of_no_other(join: Join) -> None:
    alice, bob = await (await join()).register("alice"), await (await join()).register("bob")
    await call(alice, bob)
    await ban(ALICE)
    await alice.expects_close(4503)
    await bob.expects_nothing()


@pytest.mark.usefixtures("here")
async def test_ban_that_was_lifted_or_has_ended_is_over(join: Join) -> None:
    banned = await ban(ALICE)
    await lift(banned.pk)
    alice = await (await join()).register("alice")
    await alice.leaves()
    await ban(ALICE, 1)
    early = await join()
    await early.send("REGISTER", clientId="alice")
    error = await early.expects("ERROR", code="RATE_LIMITED")
    # As a client that does what it is told.
    await asyncio.sleep(error["retryAfterMs"] / 1000)
    await (await join()).register("alice")


@pytest.mark.usefixtures("here")
async def test_banned_network_is_refused_at_the_handshake(join: Join) -> None:
    mallory, bob = await join(address=INSIDE), await (await join(address=OUTSIDE)).register("bob")
    refused = counters.connections_refused["banned"]
    banned = await ban(NETWORK)
    await mallory.expects_close(4503)
    assert not await is_accepted(INSIDE)
    assert not await is_accepted(f"::ffff:{INSIDE}")
    assert await is_accepted(OUTSIDE)
    assert counters.connections_refused["banned"] == refused + 2
    await bob.expects_nothing()
    await lift(banned.pk)
    assert await is_accepted(INSIDE)


async def test_client_that_is_banned_while_it_registers_is_closed(
    shared_redis: RedisServer, settings: Settings, join: Join
) -> None:
    async with Gate(shared_redis.port).listening() as gate:
        use_redis(settings, gate.url, new_prefix())
        here = await node.current()

        async def ban_meanwhile() -> None:
            # No event finds the connection yet.
            here.relay.bans.apply([Row(1, "alice", "", time.time() + 60)], time.time())

        alice = await join()
        gate.before(b"alice", ban_meanwhile)
        await alice.send("REGISTER", clientId="alice")
        await alice.expects("REGISTERED")
        await alice.expects("ERROR", code="RATE_LIMITED")
        await alice.expects_close(4503)
        await alice.is_cut_off()
        await node.stop()


async def test_news_of_another_process_has_this_one_look(
    on_redis: Node, redis_url: str, prefix: str, join: Join
) -> None:
    alice = await (await join()).register("alice")
    async with redis_process(redis_url, prefix) as other:
        await database_sync_to_async(decisions.ban)(ALICE, 60, "olga", "spam")
        await other.layer.send(f"specific.{on_redis.layer.process}!bans", {"type": BANS_CHANGED})
        await alice.expects_close(4503)


async def test_process_that_heard_nothing_finds_bans_by_its_rounds(here: Node, join: Join) -> None:
    alice = await (await join()).register("alice")
    await database_sync_to_async(decisions.ban)(ALICE, 60, "olga", "spam")
    here.bans.poll()
    await alice.expects_close(4503)
    assert await operations.count_bans() == {"client": 1, "network": 0}
