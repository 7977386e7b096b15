"""The Python client's check of answers against directories that lie: none is believed, and the honest one is."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from auditor.__main__ import Exit, main
from securecall_client.transparency import Log, Outcome, RefusedError, after_next, check
from securecall_client.transparency.notes import read_checkpoint, read_vkey
from tests.support.lies import (
    BOB,
    CHEATS,
    NEW,
    NOW,
    OLD,
    TAKEN,
    THIEF,
    Payload,
    World,
    changed_bytes,
    changes,
    changes_70_times,
    honest_answer,
    is_believed,
)
from tests.support.made_directory import MadeDirectory, successor
from tests.support.made_log import serving, sha256, vkey
from tests.support.proofs import consistency_proof
from tests.support.witness import MadeWitness
from transparency.witness import request


def test_honest_directory_is_believed() -> None:
    world = World()
    checked = check([world.answer()], "alice", world.log, world.pin, NOW)
    assert (checked.outcome, checked.status, checked.public_key) == (Outcome.UNCHANGED, "signed", OLD.identity)
    assert checked.log == Log(vkey(), 6, world.directory.root)
    assert checked.pin is not None
    again = check([world.answer(after=2)], "alice", checked.log._replace(size=3, root=world.log.root), checked.pin, NOW)
    assert again.pin == checked.pin
    first = check([world.answer(after=-1)], "alice", world.log, None, NOW)
    assert (first.outcome, first.pin) == (Outcome.FIRST_TIME, checked.pin)
    assert check([world.answer("nobody", -1)], "nobody", world.log, None, NOW).outcome is Outcome.UNSIGNED


def test_moves_and_releases_are_told_apart() -> None:
    moved = World(lambda directory: changes(directory, TAKEN, by=THIEF))
    with pytest.raises(RefusedError, match="Nobody who had the client ID before agreed"):
        check([moved.answer()], "alice", moved.log, moved.pin, NOW)

    def moves(directory: MadeDirectory) -> None:
        statement = successor(directory.last["alice"], identity=BOB.identity)
        signatures = {"identity": BOB.sign(statement.text), "previous": NEW.sign(statement.text)}
        directory.accept(statement, signatures, OLD.identity)

    world = World(moves)
    assert check([world.answer()], "alice", world.log, world.pin, NOW).outcome is Outcome.MOVED
    world = World(lambda directory: changes(directory, {"identity": BOB.identity}, by=BOB, kind=2))
    assert check([world.answer()], "alice", world.log, world.pin, NOW).outcome is Outcome.ANOTHER_OWNER
    assert check([world.answer(after=-1)], "alice", world.log, None, NOW).outcome is Outcome.FIRST_TIME


@pytest.mark.parametrize("status", ["revoked", "released", "erased"])
def test_withheld_client_id_has_no_key_and_keeps_its_pin(status: str) -> None:
    world = World()
    answer = world.answer() | {"status": status, "publicKey": None}
    if status == "erased":
        answer["statements"] = [{"update": answer["statements"][-1]["update"]}]
    checked = check([answer], "alice", world.log, world.pin, NOW)
    assert (checked.outcome, checked.status, checked.pin) == (Outcome.WITHHELD, status, world.pin)


def test_all_pages_of_statements_are_asked_for() -> None:
    world = World(changes_70_times)
    answers = [world.answer()]
    while (after := after_next(answers[-1])) is not None:
        answers.append(world.answer(after=after))
    assert [len(answer["statements"]) for answer in answers] == [32, 32, 9]
    checked = check(answers, "alice", world.log, world.pin, NOW)
    assert checked.outcome is Outcome.UNCHANGED
    assert checked.pin is not None
    assert "\nseq 71\n" in checked.pin.statement
    for wrong in (answers[:1], answers[:2], answers[1:], [answers[0], answers[2]], [*answers, answers[-1]]):
        with pytest.raises(RefusedError):
            check(wrong, "alice", world.log, world.pin, NOW)


@pytest.mark.parametrize("cheat", CHEATS.values(), ids=CHEATS.keys())
def test_cheat_is_refused_and_kept_as_evidence(cheat: Callable[[World], Payload]) -> None:
    world = World()
    payload = cheat(world)
    with pytest.raises(RefusedError) as refused:
        check([payload], "alice", world.log, world.pin, NOW)
    assert refused.value.evidence == ([payload], "alice", world.log, world.pin, NOW)


def test_reasons_name_what_is_wrong() -> None:
    world = World()
    reasons = {
        "an old tree signed now": "The log shrank",
        "a rebuilt log that is larger": "The log forked",
        "an identity swapped and put back": "Nobody who had the client ID before agreed",
        "the pinned statement logged again": "The update of the pinned statement is another one",
        "33 of them": "Statements are missing, or too many",
    }
    for name, reason in reasons.items():
        with pytest.raises(RefusedError, match=reason):
            check([CHEATS[name](world)], "alice", world.log, world.pin, NOW)


def test_answers_about_what_is_not_pinned_are_held_to_rules_of_their_own() -> None:
    world = World()
    elsewhere = world.answer("nobody", -1) | {"directory": "calls.example.com"}
    with pytest.raises(RefusedError, match="another directory"):
        check([elsewhere], "nobody", world.log, None, NOW)
    directory = MadeDirectory()
    first = directory.claim("alice", OLD)
    released = MadeDirectory()
    released.accept(first, {"identity": OLD.sign(first.text)}, OLD.identity, kind=2)
    with pytest.raises(RefusedError, match="says that it follows a release"):
        check([released.answer("alice", now=NOW)], "alice", Log(vkey()), None, NOW)


def test_split_view_is_noticed_by_who_has_anothers_checkpoint(tmp_path: Path) -> None:
    """An auditor and a witness saw one history; alice's friends are shown another one, signed by the same key."""
    seen, shown = World().directory, World(lambda directory: changes(directory, TAKEN, by=THIEF)).directory
    key, now = tmp_path / "key", int(time.time())
    main(["newkey", "auditor.example.net", "--key", str(key)])
    with serving(seen.log.published(now)) as url:
        assert main([url, vkey(), "--state", str(tmp_path / "state"), "--key", str(key)]) is Exit.IN_ORDER
    audited = read_checkpoint((tmp_path / "state.checkpoint").read_text(), read_vkey(vkey()))
    witness = MadeWitness(vkey())
    cosigned = witness.add_checkpoint(request(seen.log.checkpoint(now, len(seen.log.entries)), 0, []).decode())
    assert cosigned[0] == 200
    for size in (len(shown.log.entries), len(seen.log.entries) + 3):
        while len(shown.log.entries) < size:
            changes(shown)
        for known in (Log(vkey(), audited.size, audited.root), witness.log):
            with pytest.raises(RefusedError, match=r"The log (shrank|forked)"):
                check([shown.answer("alice", size=known.size, now=now)], "alice", known, None, now)
    hashes = [sha256(b"\x00", entry) for entry in shown.log.entries]
    proof = consistency_proof(hashes, witness.log.size)
    offered = request(shown.log.checkpoint(now, len(hashes)), witness.log.size, proof)
    assert witness.add_checkpoint(offered.decode()) == (422, b"")


def test_there_are_forty_cheats() -> None:
    assert len(CHEATS) >= 40


@pytest.mark.parametrize("is_pinned", [True, False], ids=["pinned", "unpinned"])
def test_no_changed_byte_is_believed(*, is_pinned: bool) -> None:
    """`make faults ARGS=lies` changes every byte."""
    world = World()
    honest, data, pin = honest_answer(world, is_pinned=is_pinned)
    believed = [is_believed(other, honest, world, pin) for other in changed_bytes(data, 17)]
    assert len(believed) > 100
    assert not any(believed)
    assert check([honest], "alice", world.log, pin, NOW).status == "signed"
