"""Ask the database from the event loop: in the thread that may, and for as long as a client waits."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from channels.db import database_sync_to_async
from django.db import DatabaseError, InterfaceError

from pkd.refusals import MISTAKES, Refusals, leaving_wrong_server

T = TypeVar("T")

# How long a client waits for its answer at most.
PATIENCE_SECONDS = 5.0

KEYS = Refusals("keys", "clients are told to try again")


class DirectoryUnavailableError(Exception):
    """The database cannot be reached or cannot write; the same request may succeed later."""


async def ask(
    question: Callable[..., T],
    *arguments: Any,
    seconds: float = PATIENCE_SECONDS,
    to: str = "look up",
    refusals: Refusals = KEYS,
) -> T:
    """Call `question` in the thread that may use the database; `to` says for the log what is done.

    Raises `DirectoryUnavailableError`.
    """
    async with _unavailable_when_the_database_is(seconds, to, refusals):
        answer: T = await database_sync_to_async(leaving_wrong_server(question))(*arguments)
    return answer


@asynccontextmanager
async def _unavailable_when_the_database_is(seconds: float, step: str, refusals: Refusals) -> AsyncIterator[None]:
    try:
        # A database that hangs would keep clients waiting for as long as it does.
        async with asyncio.timeout(seconds):
            yield
    except MISTAKES:
        raise
    except (DatabaseError, InterfaceError, TimeoutError) as error:
        refusals.note(step, error)
        raise DirectoryUnavailableError from error
    refusals.note_success(step)
