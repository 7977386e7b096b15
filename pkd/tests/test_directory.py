import asyncio
import hashlib
from contextlib import suppress
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.db import connections
from pytest_django import DjangoAssertNumQueries

from pkd import directory
from pkd.decisions import FREEZE, REVOKE
from pkd.directory import DirectoryUnavailableError, KeyFrozenError, KeyRevokedError, look_up, publish
from pkd.keys import BadKeyError
from pkd.models import KeyChange, PublicKey
from pkd.tests.samples import KEYS, LONGEST

pytestmark = pytest.mark.django_db
# Asynchronous code meets the database in a thread of its own, and so on another connection.
in_threads = pytest.mark.django_db(transaction=True)


def alice() -> PublicKey:
    return PublicKey.objects.get(client_id="alice")


def history_of_alice() -> list[tuple[str, str, str, str, str]]:
    changes = KeyChange.objects.filter(key__client_id="alice").order_by("pk")
    return [(row.kind, row.who, row.old_fingerprint, row.new_fingerprint, row.reason) for row in changes]


@in_threads
async def test_published_key_is_looked_up_unchanged() -> None:
    for key in KEYS.values():
        await publish("alice", key)
        assert await look_up("alice") == key
        assert (await PublicKey.objects.aget()).fingerprint == hashlib.sha256(key.encode()).hexdigest()


@in_threads
async def test_unknown_client_has_no_key() -> None:
    await publish("alice", "key")
    assert await look_up("Alice") is None
    assert await look_up("bob") is None


@in_threads
@pytest.mark.parametrize("client_id", ["", "bob\n", "bo\0b", "\ud800", "a" * 65, "böb", "' OR 1=1 --"])
async def test_what_is_no_client_id_has_no_key_and_gets_none(client_id: str) -> None:
    assert await look_up(client_id) is None
    with pytest.raises(ValueError):  # noqa: PT011  which one is the caller's business
        await publish(client_id, "key")


@in_threads
@pytest.mark.parametrize("key", ["", "a\0b", "\ud800", LONGEST + "k"])
async def test_what_is_no_key_is_refused_and_leaves_nothing(key: str) -> None:
    with pytest.raises(BadKeyError, match=r"^publicKey .+\.$"):
        await publish("alice", key)
    assert await PublicKey.objects.acount() == 0


def test_first_publication_is_recorded() -> None:
    directory.store("alice", "first")
    assert history_of_alice() == [("published", "client", "", directory.fingerprint("first"), "")]
    key = alice()
    assert key.first_seen == key.last_change == key.history.get().at
    assert key.changes == 0


def test_change_is_recorded_with_both_fingerprints() -> None:
    directory.store("alice", "first")
    first_seen = alice().first_seen
    directory.store("alice", "second")
    first, second = directory.fingerprint("first"), directory.fingerprint("second")
    assert history_of_alice()[1:] == [("changed", "client", first, second, "")]
    key = alice()
    assert (key.fingerprint, key.public_key, key.changes) == (second, "second", 1)
    assert key.first_seen == first_seen < key.last_change


def test_same_key_again_records_nothing() -> None:
    directory.store("alice", "first")
    before = alice()
    directory.store("alice", "first")
    assert len(history_of_alice()) == 1
    assert alice().last_change == before.last_change


def test_earlier_key_may_come_back() -> None:
    for key in ("first", "second", "first"):
        directory.store("alice", key)
    assert directory.current_key("alice") == "first"
    assert len(history_of_alice()) == 3


@in_threads
async def test_revoked_key_is_refused() -> None:
    await publish("alice", "first")
    await database_sync_to_async(REVOKE.decide)(await PublicKey.objects.aget(), "olga", "stolen")
    with pytest.raises(KeyRevokedError):
        await publish("alice", "first")
    assert await look_up("alice") is None
    assert await KeyChange.objects.acount() == 2


@in_threads
async def test_other_key_for_a_frozen_id_is_refused() -> None:
    await publish("alice", "first")
    await database_sync_to_async(FREEZE.decide)(await PublicKey.objects.aget(), "olga", "vip")
    with pytest.raises(KeyFrozenError):
        await publish("alice", "second")
    await publish("alice", "first")
    assert await look_up("alice") == "first"
    assert await KeyChange.objects.acount() == 2


def test_looking_up_is_one_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    directory.store("alice", "first")
    with django_assert_num_queries(1):
        assert directory.current_key("alice") == "first"


def test_fingerprint_is_sha256_of_the_utf8_key() -> None:
    # printf 'ключ' | sha256sum
    assert directory.fingerprint("ключ") == "1de36a32af798da0c1ac9297603a320ed8fe567cf21c9177112a4ce914ebb8be"


def test_grouped_fingerprint_is_spaced_by_four() -> None:
    assert directory.grouped("0123456789ab") == "0123 4567 89ab"
    assert directory.grouped("") == ""


@in_threads
async def test_database_away_is_said_plainly_and_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    await publish("alice", "first")
    with monkeypatch.context() as away:
        away.setitem(connections.settings["default"], "NAME", "/nowhere/at/all")
        await database_sync_to_async(connections.close_all)()
        with pytest.raises(DirectoryUnavailableError):
            await publish("alice", "second")
        with pytest.raises(DirectoryUnavailableError):
            await look_up("alice")
    assert await look_up("alice") == "first"


async def publishes_sometime(client_id: str, public_key: str) -> None:
    """Publish again for as long as the directory says so, as it does on a busy machine."""
    while True:
        with suppress(DirectoryUnavailableError):
            await publish(client_id, public_key)
            return


@in_threads
async def test_many_clients_publish_at_once() -> None:
    await asyncio.gather(*(publishes_sometime(f"client-{number}", f"key {number}") for number in range(20)))
    found = await asyncio.gather(*(look_up(f"client-{number}") for number in range(20)))
    assert found == [f"key {number}" for number in range(20)]


def test_nothing_of_a_key_is_logged(caplog: Any) -> None:
    with caplog.at_level("DEBUG"):
        directory.store("alice", "very secret")
        REVOKE.decide(alice(), "olga", "stolen")
        with pytest.raises(KeyRevokedError) as refused:
            directory.store("alice", "very secret")
    logged = caplog.text + repr(refused.value)
    assert "secret" not in logged
    assert directory.fingerprint("very secret") not in logged
