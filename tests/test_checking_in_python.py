"""What a server may say of the owner of a client ID, and what is refused, with the answers as evidence."""

from collections.abc import Sequence
from typing import Any

import pytest

from pkd.tests.owners import DIRECTORY, Identity, Recovery, first, following
from pkd.tests.owners import signed as sign
from securecall_client import PkdResult
from securecall_client.checking import Change, Checked, Reading, check
from securecall_client.ownership import NOTHING, Statement, digest, parse
from securecall_client.parts import ListedStatement, StatementSignatures
from securecall_client.refusal import RefusedError

ALICE, PHONE, THIEF = Identity("alice 1"), Identity("alice 2"), Identity("thief")
PAPER, OTHER_PAPER = Recovery("paper"), Recovery("other paper")
OWNED = first(ALICE, PAPER.public)
PIN = parse(OWNED.text)
KEPT = ListedStatement(kind=1, statement=OWNED.text, signatures=StatementSignatures())


def row(statement: Any, *signers: Any, kind: int = 1, **by: Any) -> ListedStatement:
    return ListedStatement(
        kind=kind, statement=statement.text, signatures=StatementSignatures(*sign(statement, *signers, **by))
    )


def answer(*rows: ListedStatement, key: str | None = ALICE.public, **fields: Any) -> PkdResult:
    said = {"client_id": "alice", "public_key": key, "directory": DIRECTORY, "status": "signed"}
    return PkdResult(**said | {"statements": list(rows)} | fields)


FIRST = row(OWNED, ALICE)
MOVED = following(OWNED, identity=PHONE.public, key=digest(PHONE.public))
TAKEN = following(OWNED, identity=THIEF.public, recovery=NOTHING, key=digest(THIEF.public))


def current(statement: Any, key: str | None, change: Change, status: str = "signed") -> Checked:
    return Checked(key, status, change, parse(statement.text))


GOOD: dict[str, tuple[Statement | None, list[PkdResult], Checked]] = {
    "the first time": (None, [answer(FIRST)], current(OWNED, ALICE.public, Change.FIRST)),
    "nothing new": (PIN, [answer(KEPT)], current(OWNED, ALICE.public, Change.NONE)),
    "another key": (
        PIN,
        [answer(KEPT, row(following(OWNED, key=digest("new")), ALICE), key="new")],
        current(following(OWNED, key=digest("new")), "new", Change.NONE),
    ),
    "moved by the old key": (
        PIN,
        [answer(KEPT, row(MOVED, PHONE, ALICE), key=PHONE.public)],
        current(MOVED, PHONE.public, Change.MOVED),
    ),
    "restored by the code": (
        PIN,
        [answer(KEPT, row(MOVED, PHONE, recovery=PAPER), key=PHONE.public)],
        current(MOVED, PHONE.public, Change.MOVED),
    ),
    "taken after a release": (
        PIN,
        [answer(KEPT, row(TAKEN, THIEF, kind=2), key=THIEF.public)],
        current(TAKEN, THIEF.public, Change.RELEASED),
    ),
    "withheld": (PIN, [answer(KEPT, key=None, status="revoked")], current(OWNED, None, Change.NONE, "revoked")),
    "erased": (PIN, [answer(key=None, status="erased")], Checked(None, "erased", Change.NONE, PIN)),
    "nobody's": (None, [answer(key="k", status="unsigned")], Checked("k", "unsigned", Change.NONE, None)),
    "a server without owners": (
        None,
        [PkdResult("alice", "k")],
        Checked("k", None, Change.NONE, None),
    ),
    "two answers": (
        None,
        [answer(FIRST), answer(KEPT, row(MOVED, PHONE, ALICE), key=PHONE.public)],
        current(MOVED, PHONE.public, Change.FIRST),
    ),
}


@pytest.mark.parametrize(("pin", "answers", "checked"), GOOD.values(), ids=GOOD)
def test_answer_that_follows_is_believed(pin: Statement | None, answers: list[PkdResult], checked: Checked) -> None:
    assert check("alice", answers, pin) == checked


def unsigned(statement: Any, **signatures: str) -> ListedStatement:
    return ListedStatement(kind=1, statement=statement.text, signatures=StatementSignatures(**signatures))


GAP = following(following(OWNED))._replace(previous=OWNED.digest)
STRIPPED = following(OWNED, recovery=NOTHING)
BAD: dict[str, tuple[Statement | None, Sequence[PkdResult]]] = {
    "another client ID": (PIN, [answer(KEPT, client_id="bob")]),
    "another directory": (PIN, [answer(KEPT, directory="evil.example.org")]),
    "no directory any more": (PIN, [PkdResult("alice", ALICE.public)]),
    "nobody's any more": (PIN, [answer(key="k", status="unsigned")]),
    "no statements": (PIN, [answer()]),
    "none at all": (None, [answer()]),
    "another first one": (PIN, [answer(row(first(THIEF), THIEF), key=THIEF.public)]),
    "a second seq 0": (PIN, [answer(KEPT, FIRST)]),
    "a gap": (PIN, [answer(KEPT, row(GAP, ALICE))]),
    "a fork": (PIN, [answer(KEPT, row(following(OWNED, previous=digest("other")), ALICE))]),
    "no signature": (PIN, [answer(KEPT, unsigned(following(OWNED)))]),
    "a signature by another": (PIN, [answer(KEPT, row(following(OWNED), THIEF))]),
    "moved by the wrong key": (PIN, [answer(KEPT, row(MOVED, PHONE, THIEF), key=PHONE.public)]),
    "moved by nobody": (PIN, [answer(KEPT, row(MOVED, PHONE), key=PHONE.public)]),
    "restored by another code": (PIN, [answer(KEPT, row(MOVED, PHONE, recovery=OTHER_PAPER), key=PHONE.public)]),
    "a needless signature that is wrong": (PIN, [answer(KEPT, row(following(OWNED), ALICE, THIEF))]),
    "recovery removed": (PIN, [answer(KEPT, row(STRIPPED, ALICE))]),
    "recovery replaced": (PIN, [answer(KEPT, row(following(OWNED, recovery=OTHER_PAPER.public), ALICE))]),
    "signatures beside a first one": (None, [answer(row(OWNED, ALICE, ALICE))]),
    "a release with signatures": (PIN, [answer(KEPT, row(TAKEN, THIEF, THIEF, kind=2), key=THIEF.public)]),
    "a first one after a release": (None, [answer(row(OWNED, ALICE, kind=2))]),
    "another key than named": (PIN, [answer(KEPT, key="evil")]),
    "no key where one is named": (PIN, [answer(KEPT, key=None)]),
    "a key though withheld": (PIN, [answer(KEPT, key="evil", status="revoked")]),
    "about another ID": (None, [answer(row(first(ALICE, client_id="bob"), ALICE))]),
    "of another directory": (None, [answer(row(first(ALICE, directory="evil.example.org"), ALICE))]),
    "CRLF": (None, [answer(ListedStatement(1, None, OWNED.text.replace("\n", "\r\n"), FIRST.signatures))]),
    "no statement in it": (None, [answer(ListedStatement(1))]),
    "answers with a gap": (None, [answer(FIRST), answer(row(MOVED, PHONE, ALICE), key=PHONE.public)]),
    "answers of two directories": (None, [answer(FIRST), answer(KEPT, directory="evil.example.org")]),
}


@pytest.mark.parametrize(("pin", "answers"), BAD.values(), ids=BAD)
def test_answer_that_does_not_follow_is_refused_and_kept(pin: Statement | None, answers: Sequence[PkdResult]) -> None:
    with pytest.raises(RefusedError) as refused:
        check("alice", answers, pin, DIRECTORY)
    assert refused.value.evidence == answers
    assert str(refused.value).endswith(".")


def chained(count: int) -> list[ListedStatement]:
    """Make the statements of an owner who publishes one key after the other."""
    rows, last = [FIRST], OWNED
    for number in range(count - 1):
        last = following(last, key=digest(str(number)))
        rows.append(row(last, ALICE))
    return rows


def test_answers_are_checked_as_they_come_and_are_not_endless() -> None:
    rows = chained(40)
    pages = [answer(*rows[:32], key="30"), answer(*rows[31:], key="38")]
    reading = Reading("alice")
    assert [reading.after, reading.add(pages[0]), reading.after, reading.add(pages[1])] == [-1, True, 31, False]
    assert reading.checked() == check("alice", pages)
    # One too many in an answer; an answer too many.
    for most_answers, (*good, bad) in ((2, [answer(*rows[:33], key="31")]), (1, pages)):
        reading = Reading("alice", most_answers=most_answers)
        assert all(reading.add(one) for one in good)
        with pytest.raises(RefusedError, match="more statements of a client ID than anybody makes") as refused:
            reading.add(bad)
        assert refused.value.evidence == [*good, bad]


@pytest.mark.parametrize(
    "text",
    [
        "",
        OWNED.text[:-1],
        f"{OWNED.text}\n",
        OWNED.text.replace("seq 0", "seq 00"),
        OWNED.text.replace("seq 0", f"seq {2**32}"),
    ],
)
def test_statement_has_one_spelling(text: str) -> None:
    with pytest.raises(ValueError, match="eight lines"):
        parse(text)
