"""Witnesses of the public log: what they cosign is served, and one that is away is told of once."""

import asyncio
import socket
from collections.abc import Iterator

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient
from pytest_django import Settings

from pkd import directory
from securecall_client.transparency.notes import read_checkpoint, read_vkey
from signaling.cluster import node
from signaling.cluster.node import Node
from signaling.connections.witnessing import RENEW_SECONDS, RETRY_SECONDS, Witnessing
from signaling.protocol.errors import UnavailableError
from signaling.tests.clock import Clock
from tests.support.witness import MadeWitness, witnessing
from transparency import proofs
from transparency.guard import Tree
from transparency.keys import LogKeys
from transparency.proofs import Signed
from transparency.tests.logged import CHECKPOINT_AT, accepts
from transparency.witness_policy import Policy

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("keys")]


@pytest.fixture
def one(keys: LogKeys) -> Iterator[MadeWitness]:
    with witnessing(keys.vkey, "one.example") as witness:
        yield witness


@pytest.fixture
def two(keys: LogKeys) -> Iterator[MadeWitness]:
    with witnessing(keys.vkey, "two.example") as witness:
        yield witness


class Log:
    """A log that grows, with its witnesses, of whom each tree needs both."""

    def __init__(self, keys: LogKeys, *witnesses: MadeWitness) -> None:
        self.keys, self.clock = keys, Clock()
        names = " ".join(witness.name for witness in witnesses)
        policy = Policy.parse([*(witness.line for witness in witnesses), f"group all all {names}", "quorum all"])
        self.witnessing = Witnessing(policy, self._prove, self.clock, pause_seconds=0)

    async def _prove(self, before: int, size: int) -> list[bytes]:
        return await directory.ask(proofs.consistency, self.keys, before, size)

    async def grows(self, number: int) -> Signed:
        await sync_to_async(accepts)(self.keys, number)
        return await self.is_signed()

    async def is_signed(self) -> Signed:
        """Sign the log, and let all witnesses answer."""
        signed = await directory.ask(proofs.checkpoint, self.keys, None, CHECKPOINT_AT)
        self.witnessing.tell(signed)
        await self.witnessing.settle()
        return signed

    def cosigners(self, signed: Signed) -> list[str]:
        """Return whose lines a note bears that a client accepts."""
        lines = self.witnessing.lines(signed.tree)
        read_checkpoint(signed.checkpoint + lines, read_vkey(self.keys.vkey))
        return [line.split()[1] for line in lines.splitlines()]


async def test_witnesses_cosign_as_the_log_grows(keys: LogKeys, one: MadeWitness, two: MadeWitness) -> None:
    log = Log(keys, one, two)
    first = await log.grows(0)
    assert log.cosigners(first) == ["one.example", "two.example"]
    # An earlier tree is not what they cosigned last.
    last = await log.grows(1)
    assert (log.cosigners(last), log.cosigners(first)) == (["one.example", "two.example"], [])
    assert [witness.size for witness in log.witnessing.states()] == [2, 2]
    # Nobody is asked twice about one tree, until its cosignature is old.
    asked = one.asked
    await log.is_signed()
    assert one.asked == asked
    log.clock.move(RENEW_SECONDS)
    await log.is_signed()
    assert one.asked == asked + 1
    await log.witnessing.close()


async def test_process_that_starts_learns_what_a_witness_knows(keys: LogKeys, one: MadeWitness) -> None:
    await (before := Log(keys, one)).grows(0)
    await before.grows(1)
    log = Log(keys, one)
    assert log.cosigners(await log.grows(2)) == ["one.example"]
    # Refused once, for this process had not heard of the two entries.
    assert one.asked == 4


async def test_witness_that_is_away_is_told_of_once_and_at_its_recovery(
    keys: LogKeys, one: MadeWitness, two: MadeWitness, caplog: pytest.LogCaptureFixture
) -> None:
    log = Log(keys, one, two)
    two.answers = 503, b""
    signed = await log.grows(0)
    assert log.cosigners(signed) == ["one.example"]
    log.clock.move(RETRY_SECONDS - 1)
    signed = await log.grows(1)
    # It is left alone for a while, however fast the log grows.
    assert (log.cosigners(signed), two.asked) == (["one.example"], 1)
    assert log.witnessing.age_seconds() == RETRY_SECONDS - 1
    log.clock.move(1)
    await log.is_signed()
    assert two.asked == 2
    two.answers = None
    log.clock.move(RETRY_SECONDS)
    assert log.cosigners(await log.is_signed()) == ["one.example", "two.example"]
    assert log.witnessing.age_seconds() == 0
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "Witness two.example does not cosign the public log: it answered with status 503",
        "Witness two.example cosigns the public log again",
    ]


async def test_witness_of_another_tree_is_named(keys: LogKeys, one: MadeWitness, two: MadeWitness) -> None:
    one.log, two.log = one.log._replace(size=1, root=bytes(32)), two.log._replace(size=9, root=bytes(32))
    log = Log(keys, one, two)
    await log.grows(0)
    await log.grows(1)
    troubles = [witness.trouble for witness in log.witnessing.states()]
    assert "another tree" in troubles[0]
    assert "9 entries, more than there are here" in troubles[1]
    two.answers = 409, b"1\n"
    log.clock.move(RETRY_SECONDS)
    await log.is_signed()
    assert "keeps no size" in log.witnessing.states()[1].trouble


async def test_database_that_is_away_is_no_fault_of_a_witness(keys: LogKeys, one: MadeWitness) -> None:
    async def is_away(_before: int, _size: int) -> list[bytes]:
        raise UnavailableError

    witnesses = Witnessing(Policy.parse([one.line, "quorum none"]), is_away, pause_seconds=0)
    witnesses.tell(Signed("", Tree(1, bytes(32))))
    await witnesses.settle()
    assert witnesses.states() == [("one.example", 0, 0, "")]
    # Where nobody is needed nothing is late; an empty log is offered to nobody, and a smaller one neither.
    assert witnesses.age_seconds() == 0
    witnesses.tell(Signed("", Tree(0, bytes(32))))
    await witnesses.close()
    assert (one.asked, keys.vkey) == (0, one.log.vkey)


async def test_server_that_stops_leaves_a_witness_that_hangs(keys: LogKeys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        witness = MadeWitness(keys.vkey)
        witness.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        log = Log(keys, witness)
        await sync_to_async(accepts)(keys, 0)
        log.witnessing.tell(await directory.ask(proofs.checkpoint, keys, None, CHECKPOINT_AT))
        accepted, _ = await asyncio.to_thread(listening.accept)
        with accepted:
            async with asyncio.timeout(5):
                await log.witnessing.close()


async def test_cosignatures_are_served(settings: Settings, keys: LogKeys, one: MadeWitness) -> None:
    settings.LOG_WITNESSES = Policy.parse([one.line, "quorum one.example"])
    here: Node = await node.current()
    await sync_to_async(accepts)(keys, 0)
    async with asyncio.timeout(10):
        # The first one is what the witness is offered.
        while one.name not in (note := (await AsyncClient().get("/log/checkpoint")).content.decode()):
            await asyncio.sleep(0.01)
    assert read_checkpoint(note, read_vkey(keys.vkey)).size == 1
    answer = await here.relay.log.answer("alice", -1, 0)
    assert answer is not None
    assert note.splitlines()[-1] == answer.proof.signed.checkpoint.splitlines()[-1]
    state = here.relay.log.state()
    assert [(witness.name, witness.size, witness.trouble) for witness in state.witnesses] == [("one.example", 1, "")]
    assert state.quorum_age_seconds < 60
    await node.stop()
