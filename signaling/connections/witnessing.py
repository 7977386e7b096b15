"""Offers the log's checkpoints to its witnesses, and keeps what they cosigned (C2SP tlog-witness).

How it works
------------
`tell` is called with each checkpoint that may leave. A round begins where the tree is a new one, or a cosignature is
old: every witness is offered the newest checkpoint, beside the others, outside of any client's request. A witness that
knows another tree says so by its size, and is asked once more with a proof from there, so nothing has to be kept here.
A round that ended is followed by a pause, and by another one if the tree grew meanwhile.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from signaling.protocol.errors import UnavailableError
from transparency import witness as wire
from transparency.guard import Tree
from transparency.proofs import Signed
from transparency.witness import Cosignature, OtherSizeError, WitnessError
from transparency.witness_policy import NONE, Policy, Witness

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 5.0
# A cosignature says when its witness saw the tree, and is asked for anew after this time.
RENEW_SECONDS = 600
# One that did not cosign is left alone for this time, however fast the log grows.
RETRY_SECONDS = 30

Prove = Callable[[int, int], Awaitable[list[bytes]]]


class WitnessState(NamedTuple):
    """A witness, the size and the time of its last cosignature, and why there is no newer one; "" for no reason."""

    name: str
    size: int
    at: int
    trouble: str


@dataclass(slots=True)
class _Asked:
    """What this process knows of a witness."""

    witness: Witness
    seen: int = 0
    retry_at: float = 0
    # By this process' clock: a witness' own may be wrong.
    cosigned_at: float = 0
    tree: Tree | None = None
    cosignature: Cosignature | None = None
    trouble: str = ""

    def has_cosigned(self, tree: Tree, since: float) -> bool:
        """Return whether the witness cosigned a tree after a time."""
        return self.tree == tree and self.cosigned_at > since


class Witnessing:
    """The witnesses of a log, as this process knows them; `prove` makes consistency proofs, `clock` is in unix seconds.

    `prove` may raise `UnavailableError`.
    """

    def __init__(
        self,
        policy: Policy,
        prove: Prove,
        clock: Callable[[], float] = time.time,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._policy = policy
        self._prove = prove
        self._clock = clock
        self._pause_seconds = pause_seconds
        self._asked = [_Asked(witness) for witness in policy.witnesses]
        self._newest: Signed | None = None
        # When that was enough; before the first time, when the first round began.
        self._met_at: float | None = None
        self._rounds: asyncio.Task[None] | None = None

    def tell(self, signed: Signed) -> None:
        """Offer a checkpoint, unless every witness has just cosigned its tree; returns at once."""
        if self._newest is not None and self._newest.tree.size > signed.tree.size:
            return
        self._newest = signed
        if self._rounds is None and self._due():
            self._rounds = asyncio.create_task(self._run())

    def lines(self, tree: Tree) -> str:
        """Return the cosignatures of a tree, each a line of its note."""
        return "".join(one.cosignature.line for one in self._asked if one.cosignature and one.has_cosigned(tree, 0))

    def states(self) -> list[WitnessState]:
        """Return how each witness is, in the order of the policy."""
        return [
            WitnessState(
                one.witness.name,
                one.tree.size if one.tree else 0,
                int(one.cosigned_at),
                one.trouble,
            )
            for one in self._asked
        ]

    def age_seconds(self) -> float:
        """Return the time since the cosignatures were last enough; 0 where nothing was to be cosigned."""
        if self._met_at is None or self._policy.quorum == NONE:
            return 0
        return max(self._clock() - self._met_at, 0)

    async def settle(self) -> None:
        """Wait until no round is under way."""
        if self._rounds is not None:
            await self._rounds

    async def close(self) -> None:
        """Cancel the round that is under way."""
        if self._rounds is not None:
            self._rounds.cancel()
            await asyncio.gather(self._rounds, return_exceptions=True)

    def _due(self) -> list[_Asked]:
        """Return the witnesses that have not cosigned the newest tree, or not lately."""
        if self._newest is None or not self._newest.tree.size:
            return []
        tree, now = self._newest.tree, self._clock()
        return [one for one in self._asked if one.retry_at <= now and not one.has_cosigned(tree, now - RENEW_SECONDS)]

    async def _run(self) -> None:
        try:
            while self._newest is not None and (due := self._due()):
                if self._met_at is None:
                    self._met_at = self._clock()
                signed = self._newest
                await asyncio.gather(*(self._settle(one, signed) for one in due))
                cosigned = [one.witness.name for one in self._asked if one.has_cosigned(signed.tree, 0)]
                if self._policy.is_met(cosigned):
                    self._met_at = self._clock()
                await asyncio.sleep(self._pause_seconds)
        finally:
            self._rounds = None

    async def _settle(self, one: _Asked, signed: Signed) -> None:
        """Have one witness cosign; note how that went, and tell the operator of what changed."""
        before, one.trouble = one.trouble, ""
        try:
            one.cosignature, one.tree = await self._cosigned(one, signed), signed.tree
            one.cosigned_at = self._clock()
        except WitnessError as error:
            one.trouble = str(error)
        except UnavailableError:
            # The database is away, which is told where that was noticed.
            one.trouble = before
        if not one.has_cosigned(signed.tree, self._clock() - RENEW_SECONDS):
            one.retry_at = self._clock() + RETRY_SECONDS
        if one.trouble and not before:
            logger.warning("Witness %s does not cosign the public log: %s", one.witness.name, one.trouble)
        elif before and not one.trouble:
            logger.warning("Witness %s cosigns the public log again", one.witness.name)

    async def _cosigned(self, one: _Asked, signed: Signed) -> Cosignature:
        try:
            cosignature = await self._ask(one, signed)
        except OtherSizeError as other:
            if other.size > signed.tree.size:
                raise WitnessError(f"it has seen {other.size} entries, more than there are here") from None
            one.seen = other.size
            try:
                cosignature = await self._ask(one, signed)
            except OtherSizeError:
                raise WitnessError("it has seen another tree of this size, or keeps no size") from None
        one.seen = signed.tree.size
        return cosignature

    async def _ask(self, one: _Asked, signed: Signed) -> Cosignature:
        proof = await self._prove(one.seen, signed.tree.size)
        reply = await wire.ask(one.witness, wire.request(signed.checkpoint, one.seen, proof))
        return wire.read(reply, one.witness, signed.text)
