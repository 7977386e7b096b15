from typing import NamedTuple

import pytest

from pkd.statement_rules import RULES, Kind, Proposal, broken_rule, check
from pkd.statements import NOTHING, BadStatementError, Signatures, Statement, parse
from pkd.tests.owners import Identity, Recovery, first, following, signed
from pkd.tests.test_statements import STATEMENTS

ALICE, NEW_PHONE, THIEF = Identity("alice 1"), Identity("alice 2"), Identity("thief")
PAPER, NEW_PAPER, THIEFS_PAPER = Recovery("paper"), Recovery("new paper"), Recovery("thief's paper")
OWNED = first(ALICE, PAPER.public)
WITHOUT_CODE = first(ALICE)
MOVED = following(OWNED, identity=NEW_PHONE.public)
STOLEN = following(OWNED, identity=THIEF.public)


class Case(NamedTuple):
    """A statement, who signs it, what it would replace, and the number of the rule that it breaks."""

    rule: int
    statement: Statement
    signatures: Signatures
    before: Statement | None = OWNED
    is_released: bool = False


def of_mallory(statement: Statement) -> Signatures:
    return signed(statement, THIEF)


CHEATS: dict[str, Case] = {
    "no signature": Case(1, following(OWNED, key=NOTHING), Signatures("")),
    "signed by another": Case(1, following(OWNED, key=NOTHING), of_mallory(OWNED)),
    "the owner's signature of another statement": Case(1, following(OWNED, key=NOTHING), signed(OWNED, ALICE)),
    "the new identity has not signed": Case(1, MOVED, signed(MOVED, ALICE, previous=ALICE)),
    "a signature that is spelled otherwise": Case(1, MOVED, Signatures(NEW_PHONE.sign(MOVED.text) + "==")),
    "an unneeded wrong signature by the identity before": Case(
        1, following(OWNED, key=NOTHING), signed(following(OWNED, key=NOTHING), ALICE, previous=THIEF)
    ),
    "an unneeded wrong signature by the recovery key": Case(
        1, MOVED, signed(MOVED, NEW_PHONE, previous=ALICE, recovery=THIEFS_PAPER)
    ),
    "a recovery signature where there was no recovery key": Case(
        1,
        following(WITHOUT_CODE, identity=THIEF.public),
        signed(following(WITHOUT_CODE, identity=THIEF.public), THIEF, recovery=THIEFS_PAPER),
        before=WITHOUT_CODE,
    ),
    "a first statement with a signature of somebody before": Case(
        1, OWNED, signed(OWNED, ALICE, previous=ALICE), before=None
    ),
    "a first statement with a recovery signature": Case(1, OWNED, signed(OWNED, ALICE, recovery=PAPER), before=None),
    "a first statement that does not begin at 0": Case(
        2, first(ALICE, seq=1), signed(first(ALICE, seq=1), ALICE), before=None
    ),
    "a first statement that names one before": Case(
        2, first(ALICE, previous=OWNED.digest), signed(first(ALICE, previous=OWNED.digest), ALICE), before=None
    ),
    "a second first statement": Case(
        2, first(THIEF), signed(first(THIEF), THIEF, previous=THIEF)._replace(previous=None)
    ),
    "a gap": Case(2, following(OWNED, seq=2), signed(following(OWNED, seq=2), ALICE)),
    "the same number again": Case(2, following(OWNED, seq=0), signed(following(OWNED, seq=0), ALICE)),
    "a fork": Case(
        2, following(OWNED, previous=WITHOUT_CODE.digest), signed(following(OWNED, previous=WITHOUT_CODE.digest), ALICE)
    ),
    "no statement before": Case(
        2, following(OWNED, previous=NOTHING), signed(following(OWNED, previous=NOTHING), ALICE)
    ),
    "a foreign directory": Case(
        2,
        following(OWNED, directory="calls.example.net"),
        signed(following(OWNED, directory="calls.example.net"), ALICE),
    ),
    "another client ID": Case(2, following(OWNED, client_id="bob"), signed(following(OWNED, client_id="bob"), ALICE)),
    "another identity without the one before": Case(3, STOLEN, signed(STOLEN, THIEF)),
    "another recovery key by the thief of a device": Case(
        4,
        following(OWNED, recovery=THIEFS_PAPER.public),
        signed(following(OWNED, recovery=THIEFS_PAPER.public), ALICE, previous=ALICE),
    ),
    "the recovery key stripped by the thief of a device": Case(
        4, following(OWNED, recovery=NOTHING), signed(following(OWNED, recovery=NOTHING), ALICE)
    ),
    "both taken by the thief of a device": Case(
        4,
        following(STOLEN, seq=1, previous=OWNED.digest, recovery=THIEFS_PAPER.public),
        signed(following(STOLEN, seq=1, previous=OWNED.digest, recovery=THIEFS_PAPER.public), THIEF, previous=ALICE),
    ),
    "after a release, signed by the owner before too": Case(
        5,
        following(STOLEN, seq=1, previous=OWNED.digest, recovery=NOTHING),
        signed(following(STOLEN, seq=1, previous=OWNED.digest, recovery=NOTHING), THIEF, previous=ALICE),
        is_released=True,
    ),
    "after a release, unsigned by its own identity": Case(1, STOLEN, signed(STOLEN, ALICE), is_released=True),
    "after a release, as if nothing had been before": Case(
        2, first(THIEF), signed(first(THIEF), THIEF), is_released=True
    ),
}
HONEST: dict[str, tuple[Kind, Case]] = {
    "the first": (Kind.BY_OWNER, Case(0, OWNED, signed(OWNED, ALICE), before=None)),
    "another key": (
        Kind.BY_OWNER,
        Case(0, following(OWNED, key=NOTHING), signed(following(OWNED, key=NOTHING), ALICE)),
    ),
    "another key, with signatures that are not needed": (
        Kind.BY_OWNER,
        Case(0, following(OWNED, key=NOTHING), signed(following(OWNED, key=NOTHING), ALICE, ALICE, PAPER)),
    ),
    "moved by the old device": (Kind.BY_OWNER, Case(0, MOVED, signed(MOVED, NEW_PHONE, previous=ALICE))),
    "moved by the recovery code": (Kind.BY_OWNER, Case(0, MOVED, signed(MOVED, NEW_PHONE, recovery=PAPER))),
    "restored with another code": (
        Kind.BY_OWNER,
        Case(
            0,
            following(OWNED, identity=NEW_PHONE.public, recovery=NEW_PAPER.public),
            signed(following(OWNED, identity=NEW_PHONE.public, recovery=NEW_PAPER.public), NEW_PHONE, recovery=PAPER),
        ),
    ),
    "the first recovery key": (
        Kind.BY_OWNER,
        Case(
            0,
            following(WITHOUT_CODE, recovery=PAPER.public),
            signed(following(WITHOUT_CODE, recovery=PAPER.public), ALICE),
            before=WITHOUT_CODE,
        ),
    ),
    "a new owner after a release": (
        Kind.AFTER_RELEASE,
        Case(
            0,
            following(OWNED, identity=THIEF.public, recovery=THIEFS_PAPER.public),
            signed(following(OWNED, identity=THIEF.public, recovery=THIEFS_PAPER.public), THIEF),
            is_released=True,
        ),
    ),
    "the owner after a release": (
        Kind.BY_OWNER,
        Case(0, MOVED, signed(MOVED, NEW_PHONE, recovery=PAPER), is_released=True),
    ),
}


def proposal_of(case: Case) -> Proposal:
    return Proposal(case.statement, case.signatures, case.before, case.is_released)


@pytest.mark.parametrize("case", CHEATS.values(), ids=CHEATS)
def test_cheat_breaks_its_rule(case: Case) -> None:
    rule = broken_rule(proposal_of(case))
    assert rule is not None
    assert rule.number == case.rule
    with pytest.raises(BadStatementError) as refused:
        check(proposal_of(case))
    assert str(refused.value) == rule.sentence


@pytest.mark.parametrize(("kind", "case"), HONEST.values(), ids=HONEST)
def test_honest_statement_breaks_no_rule(kind: Kind, case: Case) -> None:
    assert check(proposal_of(case)) is kind


def test_there_are_twenty_cheats_and_more() -> None:
    assert len(CHEATS) >= 20


@pytest.mark.parametrize("index", range(len(RULES)), ids=[f"{i} {rule.number}" for i, rule in enumerate(RULES)])
def test_without_any_one_rule_a_cheat_succeeds(index: int) -> None:
    rules = [*RULES[:index], *RULES[index + 1 :]]
    assert [name for name, case in CHEATS.items() if broken_rule(proposal_of(case), rules) is None] != []


def test_vectors_break_no_rule() -> None:
    (alice_0, by_alice_0), (bob_0, by_bob_0), (alice_1, by_alice_1) = STATEMENTS
    assert check(Proposal(parse(alice_0), by_alice_0)) is Kind.BY_OWNER
    assert check(Proposal(parse(bob_0), by_bob_0)) is Kind.BY_OWNER
    assert check(Proposal(parse(alice_1), by_alice_1, parse(alice_0))) is Kind.BY_OWNER
    refused = broken_rule(Proposal(parse(alice_1), by_alice_1._replace(recovery=None), parse(alice_0)))
    assert refused is not None
    assert refused.number == 3
