import json

import pytest

from pkd.statements import NOTHING, SEQ_END
from pkd.tests.owners import DIRECTORY, Identity, Recovery, first, following, signed
from signaling.protocol.errors import InvalidMessageError
from signaling.protocol.fields import MAX_FRAME_BYTES
from signaling.protocol.listed import ListedSignatures, ListedStatement
from signaling.protocol.longest import CHECKPOINT, UPDATE, check_room, longest_answer
from signaling.protocol.server_messages import PkdResult
from transparency.notes import Signer, checkpoint
from transparency.witness_policy import MOST_LINE_BYTES, SIGNATURE_LINE_BYTES

CLIENT_ID, STATEMENTS = "a" * 64, 32
ALICE, PAPER = Identity("alice 1"), Recovery("paper")


def room(client_id: str = CLIENT_ID) -> int:
    return MAX_FRAME_BYTES - longest_answer(client_id, "", DIRECTORY, STATEMENTS).size


def test_no_statement_is_longer_than_the_longest_one() -> None:
    longest = first(ALICE, PAPER.public, CLIENT_ID, seq=SEQ_END - 2, previous=first(ALICE).digest)
    statement = following(longest, recovery=PAPER.public)
    signatures = ListedSignatures(*map(str, signed(statement, ALICE, previous=ALICE, recovery=PAPER)))
    listed = [ListedStatement(update=UPDATE, statement=statement.text, signatures=signatures)] * STATEMENTS
    expected = longest_answer(CLIENT_ID, "key", DIRECTORY, STATEMENTS)
    answer = PkdResult(CLIENT_ID, "key", DIRECTORY, "signed", listed, 1_790_000_000_000, expected.proof)
    assert 0 <= expected.size - answer.size < 10
    assert NOTHING not in statement[3:]


@pytest.mark.parametrize(("character", "size"), [("k", 1), ("\n", 2), ("\x01", 6), ("é", 2), ("🔑", 4)])
def test_key_that_leaves_room_for_its_statements_is_taken(character: str, size: int) -> None:
    most = room() // size
    check_room(CLIENT_ID, character * most, DIRECTORY, STATEMENTS)
    assert longest_answer(CLIENT_ID, character * most, DIRECTORY, STATEMENTS).size <= MAX_FRAME_BYTES
    with pytest.raises(InvalidMessageError, match="give a key that is"):
        check_room(CLIENT_ID, character * (most + 1), DIRECTORY, STATEMENTS)


def test_every_key_of_usual_characters_leaves_room() -> None:
    # The longest that the directory takes by default, for the longest client ID and name.
    check_room(CLIENT_ID, "k" * 16_384, "d" * 253, STATEMENTS)


def test_key_without_an_owner_may_fill_an_answer_alone() -> None:
    key = "k" * (MAX_FRAME_BYTES - PkdResult("bob", "").size)
    PkdResult("bob", key).check_size()
    with pytest.raises(InvalidMessageError, match="look it up without after"):
        PkdResult("bob", key, DIRECTORY, "unsigned", []).check_size()


def test_checkpoint_with_all_lines_of_witnesses_has_room() -> None:
    signer = Signer(f"{'d' * 253}/{'_' * 43}", bytes(32))
    note = checkpoint(signer, 2**32, bytes(32), 2**32)
    witness = "w" * (MOST_LINE_BYTES // 6 - SIGNATURE_LINE_BYTES)
    note += f"— {witness} {'A' * 104}\n" * 6
    assert len(json.dumps(note, ensure_ascii=False).encode()) <= len(f'"{CHECKPOINT}"')
