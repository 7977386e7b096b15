"""Checkpoints and vkeys: TRUST.md's, and what is refused of changed ones."""

import base64

import pytest

from tests.support.vectors import load
from transparency import notes
from transparency.notes import BadNoteError, Checkpoint, Signer, Verifier

TRUST = load("trust")
NOTE: str = TRUST["lookupAlice"]["proof"]["checkpoint"]
SIGNER = Signer(TRUST["origin"], bytes.fromhex(TRUST["logSeed"]))
LOG = SIGNER.verifier
ROOT = bytes.fromhex(TRUST["roots"][2])
AT = 1_790_000_010


def test_checkpoint_is_that_of_the_vectors() -> None:
    assert notes.checkpoint(SIGNER, 3, ROOT, AT) == NOTE
    assert notes.read(NOTE, LOG) == (Checkpoint(TRUST["origin"], 3, ROOT), AT)


def test_vkey_is_that_of_the_vectors() -> None:
    assert LOG.vkey == TRUST["vkey"]
    assert Verifier.parse(TRUST["vkey"]) == LOG


def test_lines_of_witnesses_may_follow() -> None:
    witness = Signer("witness.example.net", bytes(32))
    assert notes.read(NOTE + witness.cosign(NOTE.partition("\n\n")[0] + "\n", AT), LOG)[0].size == 3


def test_every_flipped_byte_is_refused() -> None:
    encoded = NOTE.encode()
    for at in range(len(encoded)):
        flipped = encoded[:at] + bytes([encoded[at] ^ 1]) + encoded[at + 1 :]
        with pytest.raises(BadNoteError):
            notes.read(flipped.decode(errors="replace"), LOG)


def lines() -> tuple[str, str, str]:
    text, _, signatures = NOTE.partition("\n\n")
    one, two = signatures.splitlines()
    return text + "\n", one + "\n", two + "\n"


def test_both_signatures_are_needed_once() -> None:
    text, one, two = lines()
    assert notes.read(f"{text}\n{two}{one}", LOG)[1] == AT
    for rest in (one, two, one + two + two, two + one + SIGNER.sign("another\n"), ""):
        with pytest.raises(BadNoteError):
            notes.read(f"{text}\n{rest}", LOG)


def test_time_0_is_no_time() -> None:
    with pytest.raises(ValueError, match="1970"):
        SIGNER.cosign("text\n", 0)
    assert LOG.cosigned_at("text\n", bytes(72)) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n3\n",
        f"origin\n03\n{base64.b64encode(ROOT).decode()}\n",
        f"origin\n3\n{base64.b64encode(ROOT).decode()}",
        f"origin\n3\n{base64.b64encode(ROOT).decode()}\nextension\n",
        f"origin\n3\n{base64.b64encode(ROOT[:31]).decode()}\n",
        f"origin\n-3\n{base64.b64encode(ROOT).decode()}\n",
    ],
    ids=range(7),
)
def test_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(BadNoteError):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "change", [("+", "-"), ("c94dbc7c", "c94dbc7d"), ("fe", "f"), ("calls", "calls\n")], ids=range(4)
)
def test_vkey_that_is_not_its_own_is_refused(change: tuple[str, str]) -> None:
    with pytest.raises(BadNoteError):
        Verifier.parse(TRUST["vkey"].replace(*change))
