"""Checkpoints before a witness over HTTP: what is sent, and which answers are taken for a cosignature."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.made_log import MadeLog, sha256
from tests.support.proofs import consistency_proof
from tests.support.witness import MadeWitness, witnessing
from transparency.notes import COSIGNATURE, Signer
from transparency.witness import OtherSizeError, Reply, WitnessError, ask, read, request
from transparency.witness_policy import Policy, Witness

AT = 1_790_000_000


@pytest.fixture
def made() -> Iterator[MadeWitness]:
    with witnessing() as witness:
        yield witness


def named(made: MadeWitness) -> Witness:
    (witness,) = Policy.parse([made.line, "quorum none"]).witnesses
    return witness


def offered(log: MadeLog, old: int, size: int) -> tuple[bytes, str]:
    hashes = [sha256(b"\x00", entry) for entry in log.entries[:size]]
    note = log.checkpoint(AT, size)
    return request(note, old, consistency_proof(hashes, old) if old else []), note.partition("\n\n")[0] + "\n"


async def test_witness_cosigns_what_goes_on(made: MadeWitness) -> None:
    log, witness = MadeLog().fill(7), named(made)
    for old, size in ((0, 3), (3, 3), (3, 7)):
        body, text = offered(log, old, size)
        cosignature = read(await ask(witness, body), witness, text)
        assert cosignature.at == AT
        assert cosignature.line.startswith(f"— {made.name} ")
    body, text = offered(log, 0, 7)
    with pytest.raises(OtherSizeError) as other:
        read(await ask(witness, body), witness, text)
    assert other.value.size == 7
    fork = MadeLog()
    fork.append("somebody else")
    body, text = offered(fork.fill(9), 7, 9)
    with pytest.raises(WitnessError, match="another tree"):
        read(await ask(witness, body), witness, text)


THIEF = Signer("witness.example", bytes(32))
TEXT = "calls.example.org/x\n1\n4444\n"
REPLIES = {
    "a wrong status": (Reply(500, b""), "status 500"),
    "an unknown log": (Reply(404, b""), "vkey"),
    "no trust": (Reply(403, b""), "vkey"),
    "a redirect": (Reply(302, b""), "status 302"),
    "a size that is none": (Reply(409, b"-1\n"), "status 409"),
    "nothing": (Reply(200, b""), "no signature"),
    "no text": (Reply(200, b"\xff\n"), "no signature"),
    "another line": (Reply(200, b"hello\n"), "no signature"),
    "another key": (Reply(200, THIEF.cosign(TEXT, AT).encode()), "its key"),
}


@pytest.mark.parametrize(("reply", "sentence"), REPLIES.values(), ids=REPLIES)
def test_answer_that_is_no_cosignature_is_refused(made: MadeWitness, reply: Reply, sentence: str) -> None:
    with pytest.raises(WitnessError, match=sentence):
        read(reply, named(made), TEXT)


def test_cosignature_of_another_tree_is_refused() -> None:
    witness = Witness("w", THIEF.verifier, "https://w.example")
    reply = Reply(200, f"{Signer('other', bytes(32)).cosign(TEXT, AT)}{THIEF.cosign(TEXT, AT)}".encode())
    assert read(reply, witness, TEXT) == (THIEF.cosign(TEXT, AT), AT)
    assert THIEF.verifier.vkey_of(COSIGNATURE) != THIEF.verifier.vkey
    with pytest.raises(WitnessError, match="its key"):
        read(reply, witness, TEXT.replace("1", "2"))


async def test_witness_that_is_away_is_one_that_does_not_cosign() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    with pytest.raises(WitnessError, match="cannot be reached"):
        await ask(Witness("w", THIEF.verifier, url), b"")


async def answer_until_cut(connection: socket.socket) -> None:
    """Send an answer that has no end, a byte at a time."""
    with suppress(ConnectionError):
        while True:
            connection.sendall(b"H")
            await asyncio.sleep(0.1)


async def test_witness_whose_answer_never_ends_is_left_after_a_while() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        witness = Witness("w", THIEF.verifier, f"http://127.0.0.1:{listening.getsockname()[1]}")
        asking = asyncio.create_task(ask(witness, b"", 0.5))
        accepted, _ = await asyncio.to_thread(listening.accept)
        with accepted:
            # A thread that reads on would do so for ever.
            await asyncio.wait_for(answer_until_cut(accepted), 20)
        with pytest.raises(WitnessError, match="did not answer"):
            await asking
