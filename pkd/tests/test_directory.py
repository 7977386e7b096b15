import asyncio
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.db import connections

from pkd import directory
from pkd.directory import DirectoryUnavailableError, KeyReplacedError, KeyRevokedError, look_up, publish
from pkd.models import KeyChange, PublicKey

pytestmark = pytest.mark.django_db
# Asynchronous code meets the database in a thread of its own, and so on another connection.
in_threads = pytest.mark.django_db(transaction=True)

LONGEST_KEY = "k" * 8192


def alice() -> PublicKey:
    return PublicKey.objects.get(client_id="alice")


def history_of_alice() -> list[tuple[str, str, str, str, str]]:
    changes = KeyChange.objects.filter(key__client_id="alice").order_by("pk")
    return [(row.kind, row.who, row.old_fingerprint, row.new_fingerprint, row.reason) for row in changes]


@in_threads
async def test_published_key_is_looked_up_unchanged() -> None:
    key = '  -----BEGIN "KEY"\\u0000 ключ 🔑 </script>  '
    await publish("alice", key)
    assert await look_up("alice") == key


@in_threads
async def test_longest_key_is_looked_up_unchanged() -> None:
    await publish("a" * 64, LONGEST_KEY)
    assert await look_up("a" * 64) == LONGEST_KEY


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
@pytest.mark.parametrize("key", ["", "a\0b", "line\n", "\x85", "\ud800", LONGEST_KEY + "k"])
async def test_what_is_no_key_is_refused_and_leaves_nothing(key: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  which one is the caller's business
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


def test_revoked_key_is_not_looked_up() -> None:
    directory.store("alice", "first")
    directory.revoke(alice(), "olga", " phone stolen ")
    assert directory.current_key("alice") is None
    first = directory.fingerprint("first")
    assert history_of_alice()[1:] == [("revoked", "olga", first, "", "phone stolen")]
    assert (alice().changes, alice().last_change) == (1, alice().revoked_at)


@in_threads
async def test_revoked_key_is_refused() -> None:
    await publish("alice", "first")
    await database_sync_to_async(directory.revoke)(await PublicKey.objects.aget(), "olga", "stolen")
    with pytest.raises(KeyRevokedError):
        await publish("alice", "first")
    assert await look_up("alice") is None
    assert await KeyChange.objects.acount() == 2


def test_new_key_after_a_revocation_becomes_current() -> None:
    directory.store("alice", "first")
    directory.revoke(alice(), "olga", "stolen")
    directory.store("alice", "second")
    assert directory.current_key("alice") == "second"
    assert not alice().is_revoked


def test_revoked_key_stays_refused_after_another_key() -> None:
    directory.store("alice", "first")
    directory.revoke(alice(), "olga", "stolen")
    directory.store("alice", "second")
    with pytest.raises(KeyRevokedError):
        directory.store("alice", "first")
    assert directory.current_key("alice") == "second"


def test_revocation_binds_its_client_alone() -> None:
    directory.store("alice", "shared")
    directory.revoke(alice(), "olga", "stolen")
    directory.store("bob", "shared")
    assert directory.current_key("bob") == "shared"


def test_revoking_twice_is_refused_and_recorded_once() -> None:
    directory.store("alice", "first")
    seen_by_both = alice(), alice()
    directory.revoke(seen_by_both[0], "olga", "stolen")
    with pytest.raises(KeyRevokedError):
        directory.revoke(seen_by_both[1], "otto", "stolen")
    assert len(history_of_alice()) == 2


def test_revoking_a_key_replaced_meanwhile_is_refused() -> None:
    directory.store("alice", "first")
    seen = alice()
    directory.store("alice", "second")
    with pytest.raises(KeyReplacedError):
        directory.revoke(seen, "olga", "stolen")
    assert directory.current_key("alice") == "second"


@pytest.mark.parametrize("reason", ["", " \n", "x" * 501])
def test_revoking_takes_a_reason(reason: str) -> None:
    directory.store("alice", "first")
    with pytest.raises(ValueError):  # noqa: PT011  the form has the sentence
        directory.revoke(alice(), "olga", reason)
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


@in_threads
async def test_many_clients_publish_at_once() -> None:
    await asyncio.gather(*(publish(f"client-{number}", f"key {number}") for number in range(50)))
    found = await asyncio.gather(*(look_up(f"client-{number}") for number in range(50)))
    assert found == [f"key {number}" for number in range(50)]


def test_nothing_of_a_key_is_logged(caplog: Any) -> None:
    with caplog.at_level("DEBUG"):
        directory.store("alice", "very secret")
        directory.revoke(alice(), "olga", "stolen")
        with pytest.raises(KeyRevokedError) as refused:
            directory.store("alice", "very secret")
    logged = caplog.text + repr(refused.value)
    assert "secret" not in logged
    assert directory.fingerprint("very secret") not in logged
