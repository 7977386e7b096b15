import pytest

from pkd import directory
from pkd.decisions import (
    FREEZE,
    LIFT,
    REVOKE,
    UNFREEZE,
    Decision,
    KeyReplacedError,
    NothingToDoError,
    reserve,
)
from pkd.directory import KeyFrozenError, KeyRevokedError
from pkd.models import PublicKey

pytestmark = pytest.mark.django_db

FIRST, SECOND = directory.fingerprint("first"), directory.fingerprint("second")
each_decision = pytest.mark.parametrize(
    "decision", [REVOKE, LIFT, FREEZE, UNFREEZE], ids=lambda decision: decision.kind
)


def alice() -> PublicKey:
    return PublicKey.objects.get(client_id="alice")


def history_of_alice() -> list[tuple[str, str, str, str, str]]:
    changes = alice().history.order_by("pk")
    return [(row.kind, row.who, row.old_fingerprint, row.new_fingerprint, row.reason) for row in changes]


def decide(*decisions: Decision) -> None:
    for decision in decisions:
        decision.decide(alice(), "olga", "for a reason")


@pytest.fixture(autouse=True)
def key() -> None:
    directory.store("alice", "first")


# --- Revoking -------------------------------------------------------------------------------------------


def test_revoked_key_is_not_looked_up() -> None:
    REVOKE.decide(alice(), "olga", " phone stolen ")
    assert directory.current_key("alice") is None
    assert history_of_alice()[1:] == [("revoked", "olga", FIRST, "", "phone stolen")]
    assert (alice().changes, alice().last_change) == (1, alice().revoked_at)


def test_new_key_after_a_revocation_becomes_current() -> None:
    decide(REVOKE)
    directory.store("alice", "second")
    assert directory.current_key("alice") == "second"
    assert not alice().is_revoked


def test_revoked_key_stays_refused_after_another_key() -> None:
    decide(REVOKE)
    directory.store("alice", "second")
    with pytest.raises(KeyRevokedError):
        directory.store("alice", "first")
    assert directory.current_key("alice") == "second"


def test_revocation_binds_its_client_alone() -> None:
    decide(REVOKE)
    directory.store("bob", "first")
    assert directory.current_key("bob") == "first"


# --- Lifting a revocation -------------------------------------------------------------------------------


def test_lifted_revocation_gives_the_key_back() -> None:
    decide(REVOKE)
    LIFT.decide(alice(), "otto", "the phone was found")
    assert directory.current_key("alice") == "first"
    assert history_of_alice()[2:] == [("lifted", "otto", "", FIRST, "the phone was found")]
    assert (alice().changes, alice().revoked_at) == (2, None)
    assert alice().last_change == alice().history.get(kind="lifted").at


def test_key_with_a_lifted_revocation_can_be_published_again() -> None:
    decide(REVOKE, LIFT)
    directory.store("alice", "first")
    assert len(history_of_alice()) == 3
    directory.store("alice", "second")
    directory.store("alice", "first")
    assert directory.current_key("alice") == "first"


def test_key_can_be_revoked_again_after_the_revocation_was_lifted() -> None:
    decide(REVOKE, LIFT, REVOKE)
    assert directory.current_key("alice") is None
    with pytest.raises(KeyRevokedError):
        directory.store("alice", "first")


def test_lifting_gives_back_no_other_key() -> None:
    decide(REVOKE)
    directory.store("alice", "second")
    decide(REVOKE, LIFT)
    assert directory.current_key("alice") == "second"
    with pytest.raises(KeyRevokedError):
        directory.store("alice", "first")


# --- Freezing -------------------------------------------------------------------------------------------


def test_frozen_id_keeps_its_key() -> None:
    FREEZE.decide(alice(), "olga", "board member")
    with pytest.raises(KeyFrozenError):
        directory.store("alice", "second")
    directory.store("alice", "first")
    assert directory.current_key("alice") == "first"
    assert history_of_alice()[1:] == [("frozen", "olga", FIRST, FIRST, "board member")]


def test_freezing_is_no_change_of_the_key() -> None:
    before = alice()
    decide(FREEZE, UNFREEZE)
    assert (alice().changes, alice().last_change) == (before.changes, before.last_change)


def test_unfrozen_id_takes_another_key() -> None:
    decide(FREEZE)
    UNFREEZE.decide(alice(), "otto", "new phone")
    directory.store("alice", "second")
    assert directory.current_key("alice") == "second"
    assert history_of_alice()[2:] == [
        ("unfrozen", "otto", FIRST, FIRST, "new phone"),
        ("changed", "client", FIRST, SECOND, ""),
    ]


@pytest.mark.parametrize("order", [(FREEZE, REVOKE), (REVOKE, FREEZE)], ids=["frozen first", "revoked first"])
def test_key_frozen_and_revoked_is_not_found_and_not_replaced(order: tuple[Decision, Decision]) -> None:
    decide(*order)
    for published in ("first", "second"):
        with pytest.raises(KeyFrozenError):
            directory.store("alice", published)
    assert directory.current_key("alice") is None
    decide(LIFT)
    assert directory.current_key("alice") == "first"
    with pytest.raises(KeyFrozenError):
        directory.store("alice", "second")


def test_freezing_binds_its_client_alone() -> None:
    decide(FREEZE)
    directory.store("bob", "first")
    directory.store("bob", "second")
    assert directory.current_key("bob") == "second"


# --- Reserving ------------------------------------------------------------------------------------------


def test_reserved_id_has_no_key_and_takes_none() -> None:
    reserve("admin", "olga", " nobody is admin ")
    with pytest.raises(KeyFrozenError):
        directory.store("admin", "evil")
    assert directory.current_key("admin") is None
    change = PublicKey.objects.get(client_id="admin").history.get()
    assert (change.kind, change.who, change.reason) == ("frozen", "olga", "nobody is admin")


def test_reserved_id_that_is_unfrozen_publishes_its_first_key() -> None:
    reserved = reserve("admin", "olga", "for later")
    UNFREEZE.decide(reserved, "olga", "here they are")
    assert directory.current_key("admin") is None
    directory.store("admin", "first")
    directory.store("admin", "second")
    key = PublicKey.objects.get(client_id="admin")
    published, changed = key.history.filter(who="client").order_by("pk")
    assert (published.kind, published.old_fingerprint, published.new_fingerprint) == ("published", "", FIRST)
    assert (changed.kind, changed.old_fingerprint) == ("changed", FIRST)
    assert (key.first_seen, key.last_change, key.changes) == (published.at, changed.at, 1)


def test_known_id_is_not_reserved() -> None:
    for _ in range(2):
        with pytest.raises(NothingToDoError):
            reserve("alice", "olga", "too late")
    directory.store("alice", "second")
    assert len(history_of_alice()) == 2


@pytest.mark.parametrize("client_id", ["", "bob\n", "a" * 65, "böb"])
def test_what_is_no_client_id_is_not_reserved(client_id: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the form has the sentence
        reserve(client_id, "olga", "for a reason")
    assert PublicKey.objects.count() == 1


def test_reserved_id_has_no_key_to_revoke() -> None:
    key = reserve("admin", "olga", "for later")
    with pytest.raises(NothingToDoError, match="no key published"):
        REVOKE.decide(key, "olga", "stolen")


# --- Each of them ---------------------------------------------------------------------------------------


def prepare(decision: Decision) -> None:
    """Bring Alice's key into a state that the decision changes."""
    if decision is LIFT:
        decide(REVOKE)
    if decision is UNFREEZE:
        decide(FREEZE)


@each_decision
def test_deciding_twice_is_refused_and_recorded_once(decision: Decision) -> None:
    prepare(decision)
    seen_by_both = alice(), alice()
    decision.decide(seen_by_both[0], "olga", "stolen")
    rows = history_of_alice()
    with pytest.raises(NothingToDoError):
        decision.decide(seen_by_both[1], "otto", "stolen")
    assert history_of_alice() == rows


@pytest.mark.parametrize("decision", [REVOKE, LIFT, FREEZE], ids=lambda decision: decision.kind)
def test_deciding_about_a_key_replaced_meanwhile_is_refused(decision: Decision) -> None:
    prepare(decision)
    seen = alice()
    directory.store("alice", "second")
    rows = history_of_alice()
    with pytest.raises(KeyReplacedError):
        decision.decide(seen, "olga", "stolen")
    assert history_of_alice() == rows


@each_decision
@pytest.mark.parametrize("reason", ["", " \n", "x" * 501, "a\0b"])
def test_deciding_takes_a_reason(decision: Decision, reason: str) -> None:
    prepare(decision)
    rows = history_of_alice()
    with pytest.raises(ValueError):  # noqa: PT011  the form has the sentence
        decision.decide(alice(), "olga", reason)
    assert history_of_alice() == rows
