"""What a process knows of owners: told by nobody, after a loss of Redis' data, and while it has yet to look."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone
from pytest_django import Settings

from pkd import acceptance, release
from pkd.acceptance import Offered
from pkd.identities import token_of
from pkd.models import Identity as Row
from pkd.models import PublicKey, Release
from pkd.tests.test_append_only_statements import erase_all
from signaling import operations
from signaling.cluster.node import Node
from signaling.connections.owner_news import OwnerNews
from signaling.connections.owners import GRACE_SECONDS, Owners
from signaling.delivery.layers import LocalLoopLayer
from signaling.registry.contract import Registry
from signaling.tests.owning import (
    DIRECTORY,
    Identity,
    becomes_owner,
    first,
    is_challenged,
    registers_as_owner,
    signed,
)
from signaling.tests.people import Person, call
from signaling.tests.stage import RedisProcess, redis_process, until

pytestmark = pytest.mark.django_db(transaction=True)

Join = Callable[..., Awaitable[Person]]
ALICE = Identity("alice 1")


@pytest.fixture(autouse=True)
async def directory_with_owners(transactional_db: None, settings: Settings) -> AsyncIterator[None]:  # noqa: ARG001
    settings.DIRECTORY_NAME = DIRECTORY
    yield
    await sync_to_async(erase_all)()


def accept_elsewhere(seconds_ago: float) -> None:
    """Accept Alice's first statement as a process that ended before anything followed from it."""
    statement = first(ALICE)
    acceptance.accept(Offered(ALICE.public, statement, signed(statement, ALICE), is_registered=True), lambda: 0)
    Row.objects.update(changed_at=timezone.now() - timedelta(seconds=seconds_ago))


async def owner_is_challenged(here: Node, person: Person) -> None:
    await is_challenged(person)
    await registers_as_owner(person, ALICE)
    assert "alice" in here.registry.owned


async def test_owner_whose_process_died_gets_the_id_at_the_next_look(here: Node, join: Join) -> None:
    stranger, bob = await (await join()).register("alice"), await (await join()).register("bob")
    call_id = await call(stranger, bob)
    await sync_to_async(accept_elsewhere)(GRACE_SECONDS + 1)
    await here.relay.owners.catch_up()
    await stranger.expects_close(4409)
    await bob.expects("CALL_ENDED", callId=call_id, reason="peer_disconnected")
    await owner_is_challenged(here, await join())


async def test_statement_that_is_being_accepted_throws_nobody_out(here: Node, join: Join) -> None:
    alice = await (await join()).register("alice")
    await sync_to_async(accept_elsewhere)(0)
    await here.relay.owners.catch_up()
    await alice.expects_nothing()
    await owner_is_challenged(here, await join())


async def test_process_that_starts_knows_every_owner(here: Node, join: Join) -> None:
    await sync_to_async(accept_elsewhere)(3600)
    assert not here.registry.owned.is_loaded
    await owner_is_challenged(here, await join())
    assert here.registry.owned.is_loaded


async def test_owner_is_asked_for_once(here: Node, join: Join) -> None:
    alice = await (await join()).register("alice")
    await becomes_owner(alice, ALICE)
    await alice.leaves()
    await registers_as_owner(await join(), ALICE)
    kept = await here.relay.owners.find("alice")
    assert kept is not None
    assert await here.relay.owners.find("alice") is kept
    assert await here.relay.owners.find("alice", is_fresh=True) is not kept
    here.relay.owners.forget("alice")
    assert await here.relay.owners.find("alice") is not kept


async def test_what_was_asked_before_a_change_is_not_kept(here: Node, join: Join) -> None:
    alice = await (await join()).register("alice")
    await becomes_owner(alice, ALICE)
    owners = here.relay.owners
    asks: list[Callable[[], Awaitable[object]]] = [lambda: owners.find("alice"), owners.catch_up]
    for ask in asks:
        asking = asyncio.ensure_future(ask())
        # It asks, perhaps in a task of its own; whatever it gets is of before.
        for _ in range(2):
            await asyncio.sleep(0)
        owners.forget("alice")
        await asking
        await sync_to_async(decide)()
        found = await owners.find("alice")
        assert found is not None
        assert found.takes_effect_at is not None
        await Release.objects.all().adelete()
        owners.forget("alice")


async def test_client_id_that_only_looks_owned_is_nobodys(here: Node, join: Join) -> None:
    await here.relay.owners.catch_up()
    # As if its hash were another's.
    here.registry.owned.load(["bob"])
    bob = await join()
    await bob.send("REGISTER", clientId="bob")
    await bob.expects("ERROR", code="RATE_LIMITED", request="REGISTER")
    assert await here.relay.owners.find("bob") is None


async def test_emptied_redis_gives_no_owned_id_away(on_redis: Node, other: RedisProcess, join: Join) -> None:
    alice = await (await join()).register("alice")
    await becomes_owner(alice, ALICE)
    await alice.leaves()
    await on_redis.relay.owners.catch_up()
    prefix = f"{other.layer.prefix}-registry"
    await until(lambda: not on_redis.relay.owners.is_known)
    assert await other.link.call("EXISTS", f"{prefix}:owned")
    for key in (f"{prefix}:owned", f"{prefix}:owned:alice"):
        await other.link.call("DEL", key)
    stranger = await join()
    await is_challenged(stranger)
    # Whoever is nobody's is registered once the owners were looked up, and Redis gets them back.
    await stranger.register("carol")

    await until(lambda: not on_redis.relay.owners.is_known)
    assert await other.link.call("GET", f"{prefix}:owned:alice") == token_of(ALICE.public, 0).encode()


async def test_new_identities_are_counted_by_address(settings: Settings) -> None:
    settings.LIMIT_NEW_IDENTITIES_PER_HOUR = 2
    registry: Registry = None  # type: ignore[assignment]
    owners = Owners(registry, LocalLoopLayer(), None)  # type: ignore[arg-type]
    assert [owners.new_identity_wait("one") for _ in range(2)] == [0, 0]
    assert 3590 < owners.new_identity_wait("one") <= 3600
    assert owners.new_identity_wait("another") == 0


# --- News ---


class Elsewhere:
    """Another process, which hears of owners, and how often it had to look."""

    def __init__(self, process: RedisProcess) -> None:
        self.process = process
        self.heard: list[tuple[str, str]] = []
        self.looks = 0
        self.news = OwnerNews(process.registry, process.layer, lambda *news: self.heard.append(news), self._look)

    def _look(self) -> None:
        self.looks += 1


@pytest.fixture
async def elsewhere(on_redis: Node, redis_url: str, prefix: str) -> AsyncIterator[Elsewhere]:
    """Another process, by whose lease the node finds it."""
    assert on_redis.cluster.is_up
    async with redis_process(redis_url, prefix) as process:
        yield Elsewhere(process)


async def test_other_processes_hear_of_each_change_at_once(elsewhere: Elsewhere, join: Join) -> None:
    alice = await (await join()).register("alice")
    await becomes_owner(alice, ALICE)
    token = token_of(ALICE.public, 0)
    await until(lambda: elsewhere.heard == [("alice", token)])
    await sync_to_async(decide)()
    await operations.own("alice", token)
    await until(lambda: elsewhere.heard == [("alice", token)] * 2)
    again = await join()
    await registers_as_owner(again, ALICE)
    assert not await Release.objects.aexists()
    await until(lambda: elsewhere.heard == [("alice", token)] * 3)


def decide() -> None:
    """Release Alice, who has had her ID for long."""
    Row.objects.update(owned_since=timezone.now() - timedelta(days=31))
    release.decide(PublicKey.objects.get(client_id="alice"), "olga", "lost everything")


async def test_process_that_hears_of_an_owner_asks_the_directory(
    on_redis: Node, elsewhere: Elsewhere, join: Join
) -> None:
    await on_redis.relay.owners.catch_up()
    await sync_to_async(accept_elsewhere)(0)
    await elsewhere.news.tell("alice", token_of(ALICE.public, 0))
    await until(lambda: "alice" in on_redis.registry.owned)
    await owner_is_challenged(on_redis, await join())
    # It was told of a release, by which the owner it knows is not the whole of it any more.
    await sync_to_async(decide)()
    await elsewhere.news.tell("alice", token_of(ALICE.public, 0))
    await elsewhere.news.tell("bob", "a key 0")
    await until(lambda: "bob" in on_redis.registry.owned)
    await registers_as_owner(await join(), ALICE)
    assert not await Release.objects.aexists()


async def test_news_of_another_version_has_the_directory_asked(on_redis: Node, elsewhere: Elsewhere) -> None:
    process = elsewhere.process.layer.process
    await on_redis.layer.send(f"specific.{process}!owners", {"type": "owners.changed in format 7"})
    await until(lambda: elsewhere.looks == 1)
    assert elsewhere.heard == []


async def test_news_wait_for_no_redis(on_redis: Node, elsewhere: Elsewhere) -> None:
    await elsewhere.process.link.stop()
    await elsewhere.news.tell("alice", "a key 0")
    assert "alice" not in on_redis.registry.owned


async def test_release_that_was_cancelled_just_before_it_took_effect_lets_nobody_in(here: Node, join: Join) -> None:
    alice = await (await join()).register("alice")
    await becomes_owner(alice, ALICE)
    await sync_to_async(decide)()
    await Release.objects.aupdate(takes_effect_at=timezone.now() - timedelta(seconds=1))
    here.relay.owners.forget("alice")
    assert await here.relay.owners.find("alice")
    # On another process, which has yet to tell.
    await Release.objects.all().adelete()
    await is_challenged(await join())
