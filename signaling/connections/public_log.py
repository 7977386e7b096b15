"""The public log, for the connections of this process: what the guard has to do before and after (TRUST.md, "The log").

Before anything is signed or appended the database has to contain what the guard kept; before a checkpoint leaves, the
guard keeps its tree.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import NamedTuple, NoReturn, TypeVar

from django.conf import settings

from pkd import directory
from pkd.acceptance import Save
from pkd.models import Statement
from signaling.connections.witnessing import Witnessing, WitnessState
from signaling.protocol.errors import UnavailableError
from transparency import proofs
from transparency.guard import Store, Tree
from transparency.keys import LogKeys, current
from transparency.log import Appender
from transparency.proofs import Answer, Question, Signed
from transparency.stored import StoppedError
from transparency.witness_policy import Policy

logger = logging.getLogger(__name__)

T = TypeVar("T")


class LogState(NamedTuple):
    """The size of the log when it was last signed, the time since then, and what stops it; "" for nothing.

    `quorum_age_seconds` is the time since enough of its `witnesses` cosigned it.
    """

    size: int
    age_seconds: float
    stopped_by: str
    witnesses: list[WitnessState]
    quorum_age_seconds: float


class PublicLog:
    """Appends and proves, if there is a log; `clock` is in unix seconds."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self.store = store
        self._clock = clock
        self._stopped_by = ""
        self._size = 0
        # When the log was last signed; before the first time, when that was tried.
        self._since: float | None = None
        self._polling: asyncio.Task[None] | None = None
        policy: Policy | None = settings.LOG_WITNESSES
        self._witnessing = None if policy is None else Witnessing(policy, self._prove, clock)

    def state(self) -> LogState:
        """Return how the log is, as this process knows."""
        age = 0 if self._since is None or current() is None else max(self._clock() - self._since, 0)
        if self._witnessing is None:
            return LogState(self._size, age, self._stopped_by, [], 0)
        return LogState(self._size, age, self._stopped_by, self._witnessing.states(), self._witnessing.age_seconds())

    def poll(self) -> None:
        """Begin to sign the log as it is, unless that is under way: so the operator hears of what stops it."""
        if self._polling is None and current() is not None:
            if self._since is None:
                self._since = self._clock()
            self._polling = asyncio.create_task(self._poll())

    async def _poll(self) -> None:
        try:
            await self.checkpoint()
        except UnavailableError:
            # Logged where it was raised; the next poll tries again.
            pass
        finally:
            self._polling = None

    async def close(self) -> None:
        """Wait for what is under way."""
        if self._polling is not None:
            await self._polling
        if self._witnessing is not None:
            await self._witnessing.close()

    async def save(self) -> Save:
        """Return what saves an accepted statement: with its entry in the log. Raises `UnavailableError`."""
        keys = current()
        return Statement.save if keys is None else Appender(keys, await self._kept(keys))

    async def answer(self, client_id: str, after: int, size: int) -> Answer | None:
        """Answer a look-up with proofs; None without a log. Raises `UnavailableError`."""
        keys = current()
        if keys is None:
            return None
        kept = await self._kept(keys)
        # Before the tree is read: the signature says that no larger one was known then.
        question = Question(client_id, after, size, int(self._clock()))
        answer: Answer = await self._ask(proofs.answer, keys, kept, question)
        signed = await self._keep(keys, kept, answer.proof.signed)
        return answer._replace(proof=answer.proof._replace(signed=signed))

    async def checkpoint(self) -> str | None:
        """Sign the log as it is; None without a log. Raises `UnavailableError`."""
        keys = current()
        if keys is None:
            return None
        kept = await self._kept(keys)
        signed: Signed = await self._ask(proofs.checkpoint, keys, kept, int(self._clock()))
        return (await self._keep(keys, kept, signed)).checkpoint

    def stop(self, error: Exception) -> NoReturn:
        """Tell the operator once why nothing is signed; raises `UnavailableError`, as clients do well to try again."""
        if str(error) != self._stopped_by:
            self._stopped_by = str(error)
            logger.error("The public log is stopped, and statements are refused: %s", self._stopped_by)
        raise UnavailableError from error

    async def _ask(self, step: Callable[..., T], *arguments: object) -> T:
        try:
            found: T = await directory.ask(step, *arguments)
        except directory.DirectoryUnavailableError:
            raise UnavailableError from None
        except StoppedError as error:
            self.stop(error)
        if self._stopped_by:
            self._stopped_by = ""
            logger.warning("The public log goes on")
        return found

    async def _kept(self, keys: LogKeys) -> Tree | None:
        try:
            return await self.store.read(keys.vkey)
        except (OSError, ValueError) as error:
            self.stop(error)

    async def _keep(self, keys: LogKeys, kept: Tree | None, signed: Signed) -> Signed:
        """Have the guard keep a tree; return its checkpoint as it may leave, with the lines of witnesses."""
        if kept is None or kept.size != signed.tree.size:
            try:
                await self.store.keep(keys.vkey, signed.tree)
            except OSError as error:
                self.stop(error)
        self._size, self._since = max(self._size, signed.tree.size), self._clock()
        if self._witnessing is None:
            return signed
        self._witnessing.tell(signed)
        return signed._replace(checkpoint=signed.checkpoint + self._witnessing.lines(signed.tree))

    async def _prove(self, before: int, size: int) -> list[bytes]:
        keys = current()
        if keys is None:
            raise UnavailableError
        proof: list[bytes] = await self._ask(proofs.consistency, keys, before, size)
        return proof
