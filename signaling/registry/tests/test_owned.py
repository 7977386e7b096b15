"""To whom a client ID belongs: who may claim it, and what a new owner's statement does."""

import asyncio
import itertools

import pytest

from signaling.protocol.calls import EndReason, State
from signaling.protocol.closing import Hold
from signaling.protocol.limits import Limits, Timeouts
from signaling.registry.contract import OwnedError, OwnersLostError, Registry, SupersededError
from signaling.registry.memory import MemoryRegistry
from signaling.registry.outcomes import Claim, Ended, Joined, Ousted, Released
from signaling.registry.owned import OwnedIds
from signaling.registry.tests.both import CALL, TAKEN, Stage, call, legs_of, online, owner_of
from signaling.tests.stage import Clock, RedisProcess, message

KEY, NEW_KEY = "the owner's key", "the owner's new key"


async def test_owned_id_is_claimed_with_its_identity_alone(registry: Registry) -> None:
    assert await registry.own("alice", KEY) == Ousted()
    assert "alice" in registry.owned
    for identity in ("", NEW_KEY):
        with pytest.raises(OwnedError):
            await registry.claim("alice", owner_of("alice"), identity=identity)
    assert await registry.claim("alice", owner_of("alice"), identity=KEY) == TAKEN
    assert await registry.join("alice", owner_of("alice")) == Joined({}, [])
    assert await registry.claim("bob", owner_of("bob")) == TAKEN


async def test_owner_supersedes_himself(registry: Registry) -> None:
    await registry.own("alice", KEY)
    first, second = owner_of("alice"), owner_of("alice", 2)
    await registry.claim("alice", first, identity=KEY)
    with pytest.raises(OwnedError):
        await registry.claim("alice", second)
    # Whoever cannot sign disturbs nobody.
    assert await registry.release("alice", first, [], hold=Hold.FULL) == Released([], None)
    await registry.claim("alice", first, identity=KEY)
    assert await registry.claim("alice", second, identity=KEY) == Claim(first.connection_id, None)


async def test_sender_of_the_first_statement_stays(registry: Registry) -> None:
    alice, bob = await call(registry)
    assert await registry.own("alice", KEY, alice) == Ousted()
    assert await legs_of(registry, alice, "alice") == await legs_of(registry, alice, "alice")
    assert CALL in await legs_of(registry, bob, "bob")
    # Again, as after an answer that was lost.
    assert await registry.own("alice", KEY) == Ousted()
    assert CALL in await legs_of(registry, alice, "alice")


async def test_who_waits_for_the_sender_is_told_to_try_again_and_is_refused(registry: Registry) -> None:
    alice = await online(registry, "alice")
    stranger = owner_of("alice", 2)
    assert await registry.claim("alice", stranger) == Claim(alice.connection_id, None)
    assert await registry.own("alice", KEY, alice) == Ousted(None, stranger.channel)
    with pytest.raises(OwnedError):
        await registry.claim("alice", stranger, is_first=False)
    assert await registry.release("alice", alice, [], hold=Hold.FULL) == Released([], None)


async def test_connection_of_the_owner_before_loses_everything(stage: Stage) -> None:
    registry = stage.registry
    thief, bob = await call(registry, State.ACTIVE)
    await registry.hold("alice", message("held"))
    ended = [Ended(CALL, EndReason.PEER_DISCONNECTED, ("bob",))]
    assert await registry.own("alice", KEY, owner_of("alice", 7)) == Ousted(thief, None, ended)
    assert await legs_of(registry, bob, "bob") == {}
    assert await registry.join("alice", thief) is None
    assert await registry.release("alice", thief, [message("stray")], hold=Hold.FULL) is None
    owner = owner_of("alice", 2)
    await registry.claim("alice", owner, identity=KEY)
    assert await registry.join("alice", owner) == Joined({}, [])


async def test_who_waits_for_the_owner_before_is_told(registry: Registry) -> None:
    thief = await online(registry, "alice")
    waiting = owner_of("alice", 2)
    await registry.claim("alice", waiting)
    assert await registry.own("alice", KEY) == Ousted(thief, waiting.channel)
    with pytest.raises(OwnedError):
        await registry.claim("alice", waiting, is_first=False)


async def test_what_is_held_for_the_owner_before_is_gone(stage: Stage) -> None:
    registry = stage.registry
    thief, _ = await call(registry)
    await registry.release("alice", thief, [message("stray")], hold=Hold.FULL)
    ended = [Ended(CALL, EndReason.PEER_DISCONNECTED, ("bob",))]
    assert await registry.own("alice", KEY) == Ousted(None, None, ended)
    owner = owner_of("alice", 2)
    await registry.claim("alice", owner, identity=KEY)
    assert await registry.join("alice", owner) == Joined({}, [])


async def test_what_is_held_for_the_owner_stays(registry: Registry) -> None:
    await registry.own("alice", KEY)
    first, second = owner_of("alice"), owner_of("alice", 2)
    await registry.claim("alice", first, identity=KEY)
    await registry.join("alice", first)
    await registry.release("alice", first, [message("stray")], hold=Hold.FULL)
    # The last statement again, by anybody, disturbs nobody.
    assert await registry.own("alice", KEY, owner_of("alice", 3)) == Ousted()
    await registry.claim("alice", second, identity=KEY)
    assert await registry.join("alice", second) == Joined({}, [message("stray")])


async def test_claim_that_was_checked_against_the_owner_before_fails(registry: Registry) -> None:
    await registry.own("alice", KEY)
    thief = owner_of("alice")
    assert await registry.claim("alice", thief, identity=KEY) == TAKEN
    assert await registry.own("alice", NEW_KEY) == Ousted(thief)
    assert await registry.join("alice", thief) is None
    with pytest.raises(OwnedError):
        await registry.claim("alice", thief, identity=KEY)
    with pytest.raises(OwnedError):
        await registry.claim("alice", thief, is_first=False, identity=KEY)


async def test_news_of_an_older_owner_changes_nothing(registry: Registry) -> None:
    await registry.own("alice", "b 7")
    owner = owner_of("alice")
    await registry.claim("alice", owner, identity="b 7")
    assert await registry.own("alice", "a 6") == Ousted()
    with pytest.raises(OwnedError):
        await registry.claim("alice", owner_of("alice", 2), identity="a 6")
    assert await registry.join("alice", owner) == Joined({}, [])
    assert await registry.own("alice", "- 8") == Ousted(owner)
    with pytest.raises(OwnedError):
        await registry.claim("alice", owner, identity="b 7")


async def test_process_that_heard_first_of_a_newer_owner_keeps_him(process: RedisProcess, other: RedisProcess) -> None:
    await process.registry.own("alice", "b 7")
    # It has not heard, and tells Redis what is older.
    assert await other.registry.own("alice", "a 6") == Ousted()
    with pytest.raises(OwnedError):
        await other.registry.claim("alice", owner_of("alice"), identity="a 6")


async def test_registry_names_the_other_processes(registry: Registry) -> None:
    assert len(await registry.processes()) == (0 if isinstance(registry, MemoryRegistry) else 1)


async def test_claims_of_strangers_around_the_first_statement_have_nothing_afterwards(registry: Registry) -> None:
    for number in itertools.count():
        client_id = f"alice-{number}"
        alice, strangers = await online(registry, client_id), [owner_of(client_id, n) for n in range(2, 8)]

        async def steals(stranger: object, client_id: str = client_id) -> None:
            try:
                await registry.claim(client_id, stranger)  # type: ignore[arg-type]
            except (OwnedError, SupersededError):
                return

        steps = [steals(stranger) for stranger in strangers]
        steps.insert(number % 7, registry.own(client_id, KEY, alice))  # type: ignore[arg-type]
        await asyncio.gather(*steps)
        for stranger in strangers:
            assert await registry.join(client_id, stranger) is None
        if number == 20:
            return


async def test_process_that_has_yet_to_look_gives_nothing_to_the_unsigned(registry: Registry) -> None:
    with pytest.raises(OwnersLostError):
        await registry.claim("alice", owner_of("alice"), is_known=False)
    assert await registry.claim("alice", owner_of("alice"), is_known=True) == TAKEN


async def test_single_process_that_has_looked_asks_no_more() -> None:
    registry = MemoryRegistry(Limits(), Timeouts(), Clock())
    registry.owned.load(["bob"])
    assert await registry.claim("alice", owner_of("alice"), is_known=False) == TAKEN
    with pytest.raises(OwnedError):
        await registry.claim("bob", owner_of("bob"), is_known=False)


async def test_owners_are_restored_where_they_can_be_lost(registry: Registry) -> None:
    assert await registry.has_lost_owners() is not isinstance(registry, MemoryRegistry)
    await registry.restore_owned([("alice", KEY)], are_last=True)
    assert not await registry.has_lost_owners()


async def test_every_process_knows_owners(registry: Registry) -> None:
    assert await registry.knows_owners()


async def test_owned_id_is_refused_on_another_process_at_once(process: RedisProcess, other: RedisProcess) -> None:
    await process.registry.own("alice", KEY)
    with pytest.raises(OwnedError):
        await other.registry.claim("alice", owner_of("alice"))
    assert await other.registry.claim("alice", owner_of("alice"), identity=KEY) == TAKEN


async def test_emptied_redis_gives_an_owned_id_to_nobody(process: RedisProcess) -> None:
    registry = process.registry
    await registry.own("alice", KEY)
    await process.link.call("FLUSHDB")
    with pytest.raises(OwnedError):
        await registry.claim("alice", owner_of("alice"))
    with pytest.raises(OwnersLostError):
        await registry.claim("carol", owner_of("carol"), is_known=False)


async def test_owners_are_restored_to_redis_and_what_is_newer_stays(process: RedisProcess, other: RedisProcess) -> None:
    await process.registry.own("alice", NEW_KEY)
    await process.registry.restore_owned([("alice", KEY), ("bob", KEY)], are_last=False)
    with pytest.raises(OwnersLostError):
        await other.registry.claim("carol", owner_of("carol"), is_known=False)
    await process.registry.restore_owned([], are_last=True)
    assert await other.registry.claim("carol", owner_of("carol"), is_known=False) == TAKEN
    for client_id, identity in (("alice", KEY), ("bob", ""), ("alice", "")):
        with pytest.raises(OwnedError):
            await other.registry.claim(client_id, owner_of(client_id), identity=identity)
    assert await other.registry.claim("alice", owner_of("alice"), identity=NEW_KEY) == TAKEN


async def test_restored_connection_keeps_an_owned_id_only_if_it_signed(
    process: RedisProcess, other: RedisProcess
) -> None:
    first = owner_of("alice")
    await process.registry.claim("alice", first)
    await other.registry.own("alice", KEY)
    assert await process.registry.restore("alice", first, {}) == (None, [])
    process.registry.owned.note("bob", KEY)
    assert await process.registry.restore("bob", owner_of("bob"), {}) == (None, [])
    restored = await process.registry.restore("alice", first, {}, identity=KEY)
    assert restored == (Joined({}, []), [])
    # It is known for what it signed.
    assert await other.registry.own("alice", KEY) == Ousted()
    assert await other.registry.own("alice", NEW_KEY) == Ousted(first)


async def test_process_of_an_older_format_knows_no_owners(process: RedisProcess, other: RedisProcess) -> None:
    key = f"{process.layer.prefix}-registry:formats"
    await process.link.call("HSET", key, other.layer.process, 1)
    assert not await process.registry.knows_owners()
    await other.registry.end_lease()
    assert await process.registry.knows_owners()


def test_owned_ids_are_those_that_were_loaded_and_noted() -> None:
    owned = OwnedIds()
    assert not owned.refuses("alice", "")
    owned.note("alice", KEY)
    owned.load(f"client-{number}" for number in range(1000))
    assert owned.is_loaded
    assert all(f"client-{number}" in owned for number in range(1000))
    assert not any(f"client-{number}" in owned for number in range(1000, 20_000))
    assert (owned.refuses("client-7", ""), owned.refuses("client-7", KEY)) == (True, False)
    assert (owned.refuses("alice", ""), owned.refuses("alice", KEY), owned.refuses("alice", NEW_KEY)) == (
        True,
        False,
        True,
    )
    assert (owned.refuses("bob", ""), owned.refuses("bob", KEY)) == (False, False)


def test_owned_ids_keep_the_newest_owner_in_whatever_order_they_hear() -> None:
    owned = OwnedIds()
    for number in (2, 10, 9, 0):
        owned.note("alice", f"{KEY} {number}")
    assert [owned.refuses("alice", f"{KEY} {number}") for number in (2, 9, 10)] == [True, True, False]


def test_no_client_id_is_owned_where_nothing_is_known() -> None:
    owned = OwnedIds()
    assert "alice" not in owned
    owned.load(["alice"])
    assert "alice" in owned
    assert "bob" not in owned
