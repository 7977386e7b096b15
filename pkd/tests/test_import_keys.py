import io
import json
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from pkd import directory
from pkd.decisions import FREEZE, LIFT, REVOKE, UNFREEZE, reserve
from pkd.files.import_keys import DirectoryChangedError, Import, Imported
from pkd.files.parse import JSON_ARRAY, MAX_LINE_BYTES, NO_JSON_LINES, NO_OBJECT
from pkd.files.problems import PROBLEMS_SHOWN, BadLinesError, Problem
from pkd.files.records import FIELDS
from pkd.models import KeyChange, PublicKey
from pkd.tests.files import exported, lines_of
from pkd.tests.samples import KEYS, PEM
from pkd.tests.threads import all_at_once

pytestmark = pytest.mark.django_db
# An export makes transactions of its own, and threads meet only what is committed.
in_transactions = pytest.mark.django_db(transaction=True)

FIRST, SECOND = directory.fingerprint("first"), directory.fingerprint("second")


def imported(text: str | bytes, *, may_replace: bool = False) -> Imported:
    content = text.encode() if isinstance(text, str) else text
    return Import("iris", "moved here", may_replace).run(io.BytesIO(content))


def problems_of(text: str | bytes, *, may_replace: bool = False) -> list[Problem]:
    """Import what is refused; returns what is said of each line."""
    before = everything()
    with pytest.raises(BadLinesError) as refused:
        imported(text, may_replace=may_replace)
    assert everything() == before
    assert refused.value.count == len(refused.value.first)
    return refused.value.first


def everything() -> tuple[list[Any], list[Any]]:
    return list(PublicKey.objects.order_by("pk").values()), list(KeyChange.objects.order_by("pk").values())


def key_of(client_id: str) -> PublicKey:
    return PublicKey.objects.get(client_id=client_id)


def history_of(client_id: str) -> list[tuple[str, str, str, str]]:
    changes = key_of(client_id).history.order_by("pk")
    return [(row.kind, row.who, row.old_fingerprint, row.new_fingerprint) for row in changes]


def forget_everything() -> None:
    """Empty the tables, as in a new installation; the models would refuse."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM pkd_keychange")
        cursor.execute("DELETE FROM pkd_publickey")


def a_line(**fields: Any) -> str:
    return json.dumps({"clientId": "alice", "publicKey": "first"} | fields)


# --- What an export gives -------------------------------------------------------------------------------


@pytest.fixture
def varied() -> None:
    """A directory with a key of every kind."""
    directory.store("alice", '"quoted", key; with = signs')
    directory.store("alice", "null")
    directory.store("-bob", "=1+1")
    REVOKE.decide(key_of("-bob"), "=olga", "stolen\nin the 'train'")
    directory.store("-bob", "'apostrophe")
    directory.store("carol", "first")
    REVOKE.decide(key_of("carol"), "olga", "stolen")
    LIFT.decide(key_of("carol"), "olga", "found")
    FREEZE.decide(key_of("carol"), "olga", "vip")
    directory.store("dave", "clé 🔑")
    FREEZE.decide(key_of("dave"), "olga", "vip")
    REVOKE.decide(key_of("dave"), "olga", "stolen")
    reserve("admin", "olga", "nobody is admin")
    UNFREEZE.decide(reserve("later", "olga", "for later"), "olga", "not needed")


@in_transactions
@pytest.mark.usefixtures("varied")
def test_import_of_an_export_restores_everything() -> None:
    file = exported()
    before = lines_of(file)
    forget_everything()
    assert imported(file) == Imported(new=len(before))
    after = lines_of(exported())
    for line in after:
        last = line["history"].pop()
        assert (last["kind"], last["who"], last["reason"]) == ("imported", "iris", "moved here")
        assert last["oldFingerprint"] == last["newFingerprint"] == line["fingerprint"]
    assert after == before


@in_transactions
def test_keys_come_back_byte_for_byte() -> None:
    for number, key in enumerate(KEYS.values()):
        directory.store(f"client-{number}", key)
    file = exported()
    forget_everything()
    assert imported(file) == Imported(new=len(KEYS))
    assert [directory.current_key(f"client-{number}") for number in range(len(KEYS))] == list(KEYS.values())
    assert imported(file) == Imported(unchanged=len(KEYS))


@in_transactions
@pytest.mark.usefixtures("varied")
def test_import_of_what_is_here_changes_nothing() -> None:
    before = everything()
    for may_replace in (False, True):
        assert imported(exported(), may_replace=may_replace) == Imported(unchanged=6)
    assert everything() == before


@in_transactions
@pytest.mark.usefixtures("varied")
def test_import_of_an_import_restores_everything_again() -> None:
    for _ in range(3):
        file = exported()
        forget_everything()
        assert imported(file) == Imported(new=6)


@in_transactions
@pytest.mark.usefixtures("varied")
def test_rules_hold_after_an_import() -> None:
    file = exported()
    forget_everything()
    imported(file)
    assert directory.current_key("-bob") == "'apostrophe"
    with pytest.raises(directory.KeyRevokedError):
        directory.store("-bob", "=1+1")
    for client_id in ("carol", "dave", "admin"):
        with pytest.raises(directory.KeyFrozenError):
            directory.store(client_id, "another")
    assert directory.current_key("dave") is directory.current_key("admin") is None
    directory.store("later", "first")


# --- What is made by hand -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "file",
    [
        '{"clientId":"alice","publicKey":"first"}\n{"clientId":"bob","publicKey":"second"}\n',
        '\ufeff{"clientId": "alice", "publicKey": "first"}\r\n\r\n  {"publicKey": "second", "clientId": "bob"}\t',
    ],
    ids=["as an export", "by an editor on Windows"],
)
def test_client_and_key_are_enough(file: str) -> None:
    before = timezone.now()
    assert imported(file) == Imported(new=2)
    assert (directory.current_key("alice"), directory.current_key("bob")) == ("first", "second")
    assert history_of("alice") == [("imported", "iris", "", FIRST)]
    assert key_of("alice").history.get().reason == "moved here"
    assert before <= key_of("alice").first_seen == key_of("alice").last_change <= timezone.now()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_key_keeps_its_own_line_ends_in_a_file_made_by_hand(end: str) -> None:
    key = PEM.replace("\n", end)
    assert imported(f"{a_line(publicKey=key)}\r\n{a_line(clientId='bob', publicKey='second')}\r\n") == Imported(new=2)
    assert (directory.current_key("alice"), directory.current_key("bob")) == (key, "second")


def test_longest_key_that_fits_a_message_is_imported() -> None:
    key = "\x01" * 10_911
    imported(a_line(publicKey=key))
    assert directory.current_key("alice") == key


def test_states_without_a_history_are_recorded() -> None:
    at = "2026-01-31T15:04:05Z"
    imported(a_line(revokedAt=at, frozenAt=at))
    assert history_of("alice") == [
        ("imported", "iris", "", FIRST),
        ("revoked", "iris", FIRST, ""),
        ("frozen", "iris", FIRST, FIRST),
    ]
    assert key_of("alice").revoked_at == key_of("alice").frozen_at == datetime.fromisoformat(at)
    LIFT.decide(key_of("alice"), "olga", "found")
    assert directory.current_key("alice") == "first"


def test_many_lines_are_imported() -> None:
    lines = [a_line(clientId=f"client-{number}") for number in range(450)]
    assert imported("\n".join(lines)) == Imported(new=450)
    assert KeyChange.objects.filter(kind="imported").count() == 450


# --- Clients that are known here ------------------------------------------------------------------------


def test_other_key_here_is_an_error_unless_it_may_be_replaced() -> None:
    directory.store("alice", "first")
    file = a_line(publicKey="second")
    (problem,) = problems_of(file)
    assert problem == (1, "This client ID has another key here; allow to replace it, or remove the line.")
    assert imported(file, may_replace=True) == Imported(changed=1)
    assert directory.current_key("alice") == "second"
    assert history_of("alice")[1:] == [("imported", "iris", FIRST, SECOND)]
    assert (key_of("alice").changes, key_of("alice").last_change) == (1, key_of("alice").history.all()[0].at)


def test_frozen_id_is_never_replaced() -> None:
    directory.store("alice", "first")
    FREEZE.decide(key_of("alice"), "olga", "vip")
    reserve("admin", "olga", "nobody is admin")
    file = f"{a_line(publicKey='second')}\n{a_line(clientId='admin')}"
    frozen = "This client ID is frozen here, and its key is another one; unfreeze it first."
    assert problems_of(file, may_replace=True) == [(1, frozen), (2, frozen)]


def test_key_revoked_here_does_not_come_back() -> None:
    directory.store("alice", "first")
    REVOKE.decide(key_of("alice"), "olga", "stolen")
    assert imported(a_line()) == Imported(unchanged=1)
    assert directory.current_key("alice") is None
    directory.store("alice", "second")
    (problem,) = problems_of(a_line(), may_replace=True)
    assert problem.sentence == "This key of the client was revoked here; remove the line."


@pytest.mark.parametrize("limit", ["revokedAt", "frozenAt"])
def test_revocation_and_freeze_of_the_file_need_leave_to_replace(limit: str) -> None:
    directory.store("alice", "first")
    file = a_line(**{limit: "2026-01-31T15:04:05Z"})
    (problem,) = problems_of(file)
    assert problem.sentence == "This key is here, but not revoked or frozen as the file says; allow to replace it."
    assert imported(file, may_replace=True) == Imported(changed=1)
    assert key_of("alice").is_revoked == (limit == "revokedAt")
    assert key_of("alice").is_frozen == (limit == "frozenAt")
    assert imported(file) == Imported(unchanged=1)


@in_transactions
def test_earlier_revocations_of_the_file_bind_here_too() -> None:
    directory.store("alice", "first")
    REVOKE.decide(key_of("alice"), "olga", "stolen")
    directory.store("alice", "second")
    file = exported()
    forget_everything()
    directory.store("alice", "second")
    assert len(problems_of(file)) == 1
    assert imported(file, may_replace=True) == Imported(changed=1)
    with pytest.raises(directory.KeyRevokedError):
        directory.store("alice", "first")
    assert directory.current_key("alice") == "second"
    assert imported(exported()) == Imported(unchanged=1)


def test_id_without_a_key_here_takes_the_files() -> None:
    UNFREEZE.decide(reserve("alice", "olga", "for later"), "olga", "here they are")
    assert imported(a_line()) == Imported(changed=1)
    assert directory.current_key("alice") == "first"
    assert key_of("alice").changes == 0


def test_line_without_a_key_takes_none_away() -> None:
    directory.store("alice", "first")
    (problem,) = problems_of(a_line(publicKey=None, frozenAt="2026-01-31T15:04:05Z"), may_replace=True)
    assert problem.sentence == "This client ID has a key here, and none in the file; remove the line."


# --- Bad lines ------------------------------------------------------------------------------------------

PUBLISHED = {"at": "2026-01-31T15:04:05Z", "kind": "published", "who": "client", "newFingerprint": FIRST}
OF_A_CLIENT_ID = "must be 1 to 64 letters, digits, hyphens or underscores."
DOES_NOT_FIT = (
    "publicKey does not fit a message of 65,536 bytes, in which each control character takes six; leave the line out."
)
OF_A_TIME = "must be a time with its zone, such as 2026-01-31T15:04:05Z."


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"clientId": "böb"}, f"clientId {OF_A_CLIENT_ID}"),
        ({"clientId": 7}, f"clientId {OF_A_CLIENT_ID}"),
        ({"publicKey": 7}, "publicKey must be a text."),
        ({"publicKey": ""}, "publicKey is empty; give a key of at least one character."),
        ({"publicKey": "a\0b"}, "publicKey holds the character U+0000; give a key without it."),
        (
            {"publicKey": "k" * 16_385},
            "publicKey is 16,385 bytes long in UTF-8; give a key of at most 16,384 bytes.",
        ),
        (
            {"publicKey": "\x01" * 10_912},
            DOES_NOT_FIT,
        ),
        ({"publicKey": None}, "publicKey is missing; only a frozen client ID may be without one."),
        ({"fingerprint": "abcd"}, "fingerprint must be the SHA-256 of the key in 64 lower-case hex digits."),
        (
            {"fingerprint": SECOND},
            "fingerprint is not that of publicKey; correct one of them, or leave fingerprint out.",
        ),
        ({"firstSeen": "yesterday"}, f"firstSeen {OF_A_TIME}"),
        ({"lastChange": "2026-01-31T15:04:05"}, f"lastChange {OF_A_TIME}"),
        ({"revokedAt": True}, f"revokedAt {OF_A_TIME}"),
        ({"frozenAt": "9999-12-31T23:59:59-12:00"}, "Every time must be after 1999 and not in the future."),
        ({"frozenAt": "0001-01-01T00:00:00+12:00"}, "Every time must be after 1999 and not in the future."),
        (
            {"firstSeen": "2026-02-01T00:00:00Z", "lastChange": "2026-01-01T00:00:00Z"},
            "lastChange must not be before firstSeen.",
        ),
        ({"changes": -1}, "changes must be a whole number from 0."),
        ({"changes": 2**31}, "changes must be a whole number from 0."),
        ({"colour": "red"}, f"There are only the fields {', '.join(FIELDS)}; leave others out."),
        ({"history": "long"}, "history must be a list of changes as an export writes them."),
        ({"history": [{**PUBLISHED, "kind": "eaten"}]}, "history must be a list of changes as an export writes them."),
        ({"history": [{**PUBLISHED, "who": "\0"}]}, "history must be a list of changes as an export writes them."),
        ({"history": [{**PUBLISHED, "odd": 1}]}, "history must be a list of changes as an export writes them."),
        (
            {"history": [{**PUBLISHED, "newFingerprint": SECOND}]},
            "history does not lead to this key and its state; correct it, or leave it out.",
        ),
        (
            {"history": [PUBLISHED], "frozenAt": "2026-02-01T00:00:00Z"},
            "history does not lead to this key and its state; correct it, or leave it out.",
        ),
        (
            {"publicKey": None, "frozenAt": "2026-02-01T00:00:00Z", "revokedAt": "2026-02-01T00:00:00Z"},
            "revokedAt needs a publicKey; without one there is nothing to revoke.",
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bad_field_is_named_and_nothing_is_imported(fields: dict[str, Any], sentence: str) -> None:
    file = f"{a_line(clientId='bob')}\n{a_line(**fields)}\n{a_line(clientId='carol')}"
    assert problems_of(file) == [(2, sentence)]


@pytest.mark.parametrize(
    ("file", "number", "sentence"),
    [
        ("", 1, "There is no key in this file; choose an export, or a file like one."),
        ("\ufeff\r\n \t\n", 1, "There is no key in this file; choose an export, or a file like one."),
        ("alice,first\n", 1, NO_JSON_LINES),
        ("clientId,publicKey\nalice,first\nb b,second\n", 1, NO_JSON_LINES),
        ("\n\nclientId;publicKey\nalice;first\n", 3, NO_JSON_LINES),
        (f"[\n{a_line()},\n{a_line(clientId='bob')}\n]\n", 1, JSON_ARRAY),
        (f"\ufeff[{a_line()}]", 1, JSON_ARRAY),
        (f"{a_line()},\n", 1, NO_OBJECT),
        (f"{a_line()}\n7\n", 2, NO_OBJECT),
        (f'{a_line()}\n{{"clientId":\n', 2, NO_OBJECT),
        (f"{a_line()}\n{'[' * 5000}\n", 2, NO_OBJECT),
        (f"{a_line()}\n[{a_line(clientId='bob')}]", 2, NO_OBJECT),
        (f'{a_line()}\n{{"clientId": "bob", "publicKey": "\\ud800"}}', 2, NO_OBJECT),
        (a_line(changes="many"), 1, "changes must be a whole number from 0."),
        (f"{a_line()}\n".encode() + b"fi\xffrst\n", 2, "This is no UTF-8 text; save the file as UTF-8."),
        (b'{"clientId": "alice", "publicKey": "\xff"}\n', 1, "This is no UTF-8 text; save the file as UTF-8."),
        (f"{a_line()}\n\n{a_line()}", 3, "This client ID was on line 1 already; keep one of them."),
    ],
    ids=range(17),
)
def test_bad_file_is_explained_and_nothing_is_imported(file: str | bytes, number: int, sentence: str) -> None:
    assert problems_of(file) == [(number, sentence)]


def test_line_that_never_ends_does_not_fill_the_memory() -> None:
    endless = b"x" * (MAX_LINE_BYTES + 10)
    assert problems_of(endless) == [(1, f"No line may be as long as {MAX_LINE_BYTES:,} bytes.")]


def test_of_many_bad_lines_the_first_are_named() -> None:
    with pytest.raises(BadLinesError) as refused:
        imported(f"{a_line(clientId='böb')}\n" * 1500)
    assert refused.value.count == 1500
    assert [problem.number for problem in refused.value.first] == list(range(1, PROBLEMS_SHOWN + 1))


def test_conflicts_are_named_beside_lines_that_are_bad_by_themselves() -> None:
    directory.store("alice", "first")
    FREEZE.decide(key_of("alice"), "olga", "vip")
    directory.store("bob", "first")
    before = everything()
    lines = [
        *(a_line(clientId="bob", publicKey="second"), a_line(clientId="böb"), a_line(publicKey="second")),
        *(a_line(clientId="carol"), a_line(clientId="carol"), "no JSON"),
    ]
    found = problems_of("\n".join(lines))
    assert [number for number, _ in found] == [1, 2, 3, 5, 6]
    assert "another key here" in found[0].sentence
    assert "frozen here" in found[2].sentence
    assert everything() == before


@pytest.mark.parametrize("last", [449, 450])
def test_bad_last_line_undoes_the_lines_before(last: int) -> None:
    directory.store("alice", "first")
    lines = [a_line(clientId=f"client-{number}") for number in range(last)]
    assert len(problems_of("\n".join([*lines, a_line(publicKey="second")]))) == 1
    assert PublicKey.objects.count() == 1


def test_importing_takes_a_reason() -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the form has the sentence
        Import("iris", " ").run(io.BytesIO(a_line().encode()))
    assert not PublicKey.objects.exists()


# --- At the same time -----------------------------------------------------------------------------------


@in_transactions
@pytest.mark.parametrize("_round", range(2))
def test_import_during_publications_is_whole_or_not_at_all(_round: int) -> None:
    names = [f"client-{number}" for number in range(30)]
    file = "\n".join(a_line(clientId=name) for name in names)

    def publish(order: list[str]) -> None:
        for name in order:
            directory.store(name, "of the client")

    outcome, *others = all_at_once(lambda: imported(file), partial(publish, names), partial(publish, names[::-1]))
    assert others == [None, None]
    assert outcome is None or isinstance(outcome, BadLinesError | DirectoryChangedError)
    assert {directory.current_key(name) for name in names} == {"of the client"}
    assert KeyChange.objects.filter(kind="imported").count() == (0 if outcome else len(names))
    for name in names:
        history = history_of(name)
        assert [old for *_, old, _ in history[1:]] == [new for *_, new in history[:-1]]


@in_transactions
def test_imports_at_once_import_each_key_once() -> None:
    lines = [a_line(clientId=f"client-{number}") for number in range(300)]
    forwards, backwards = "\n".join(lines), "\n".join(lines[::-1])
    outcomes = all_at_once(lambda: imported(forwards), lambda: imported(backwards))
    assert None in outcomes
    assert {type(outcome) for outcome in outcomes if outcome} <= {DirectoryChangedError}
    assert KeyChange.objects.count() == PublicKey.objects.count() == 300


def test_moment_before_the_import_is_kept() -> None:
    seen = timezone.now() - timedelta(days=100)
    imported(a_line(firstSeen=seen.isoformat(), lastChange=seen.isoformat(), changes=3))
    key = key_of("alice")
    assert (key.first_seen, key.last_change, key.changes) == (seen, seen, 3)
