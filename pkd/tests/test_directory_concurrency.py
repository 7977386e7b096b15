from collections.abc import Callable
from itertools import pairwise

import pytest

from pkd import directory
from pkd.decisions import FREEZE, LIFT, REVOKE, UNFREEZE, Decision, NothingToDoError, reserve
from pkd.models import KeyChange, PublicKey
from pkd.tests.threads import all_at_once

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 8


def publication(key: str) -> Callable[[], object]:
    return lambda: directory.store("alice", key)


def chain_of_alice() -> list[tuple[str, str]]:
    """Return the old and new fingerprint of each change, oldest first."""
    return list(KeyChange.objects.order_by("pk").values_list("old_fingerprint", "new_fingerprint"))


@pytest.mark.parametrize("_round", range(5))
def test_same_first_key_published_at_once_is_recorded_once(_round: int) -> None:
    assert all_at_once(*[publication("first")] * THREADS) == [None] * THREADS
    assert chain_of_alice() == [("", directory.fingerprint("first"))]


@pytest.mark.parametrize("_round", range(5))
def test_different_first_keys_published_at_once_form_one_chain(_round: int) -> None:
    assert all_at_once(*(publication(f"key {n}") for n in range(THREADS))) == [None] * THREADS
    chain = chain_of_alice()
    assert len(chain) == THREADS
    assert chain[0][0] == ""
    for (_, new), (old, _) in pairwise(chain):
        assert old == new
    key = PublicKey.objects.get()
    assert key.fingerprint == chain[-1][1] == directory.fingerprint(key.public_key)
    assert key.changes == THREADS - 1


@pytest.mark.parametrize("_round", range(5))
def test_changes_at_once_lose_none(_round: int) -> None:
    directory.store("alice", "first")
    assert all_at_once(*(publication(f"key {n}") for n in range(THREADS))) == [None] * THREADS
    assert PublicKey.objects.get().changes == THREADS
    assert KeyChange.objects.count() == THREADS + 1


@pytest.mark.parametrize("_round", range(2))
@pytest.mark.parametrize("decision", [REVOKE, LIFT, FREEZE, UNFREEZE], ids=lambda decision: decision.kind)
def test_of_equal_decisions_at_once_one_is_recorded(decision: Decision, _round: int) -> None:
    directory.store("alice", "first")
    for opposite in (REVOKE, FREEZE):
        if decision.field == opposite.field and not decision.sets:
            opposite.decide(PublicKey.objects.get(), "otto", "to begin with")
    seen = [PublicKey.objects.get() for _ in range(THREADS)]
    raised = all_at_once(*(lambda key=key: decision.decide(key, "olga", "stolen") for key in seen))
    assert raised.count(None) == 1
    assert {type(error) for error in raised if error} == {NothingToDoError}
    assert KeyChange.objects.filter(kind=decision.kind, who="olga").count() == 1


@pytest.mark.parametrize("_round", range(3))
def test_decisions_of_two_kinds_at_once_both_count(_round: int) -> None:
    directory.store("alice", "first")
    seen = PublicKey.objects.get()
    raised = all_at_once(lambda: REVOKE.decide(seen, "olga", "stolen"), lambda: FREEZE.decide(seen, "otto", "vip"))
    assert raised == [None, None]
    key = PublicKey.objects.get()
    assert (key.is_revoked, key.is_frozen, key.changes) == (True, True, 1)
    assert KeyChange.objects.count() == 3


@pytest.mark.parametrize("_round", range(3))
def test_key_published_during_a_freeze_came_before_it_or_not_at_all(_round: int) -> None:
    directory.store("alice", "first")
    seen = PublicKey.objects.get()
    *_, outcome = all_at_once(*(publication(f"key {n}") for n in range(4)), lambda: FREEZE.decide(seen, "olga", "vip"))
    kinds = list(KeyChange.objects.values_list("kind", flat=True))
    assert (outcome is None) == (kinds[0] == "frozen") == PublicKey.objects.get().is_frozen
    assert kinds.count("frozen") == int(outcome is None)


@pytest.mark.parametrize("_round", range(3))
def test_id_is_reserved_or_published_first(_round: int) -> None:
    published, reserved = all_at_once(publication("first"), lambda: reserve("alice", "olga", "vip"))
    if reserved is None:
        assert isinstance(published, directory.KeyFrozenError)
    else:
        assert isinstance(reserved, NothingToDoError)
    assert directory.current_key("alice") == (None if reserved is None else "first")
    assert KeyChange.objects.count() == 1


@pytest.mark.parametrize("_round", range(5))
def test_publishing_during_a_revocation_never_restores_the_key(_round: int) -> None:
    directory.store("alice", "first")
    seen = PublicKey.objects.get()
    all_at_once(*[publication("first")] * 4, lambda: REVOKE.decide(seen, "olga", "stolen"))
    assert directory.current_key("alice") is None
    assert KeyChange.objects.count() == 2
