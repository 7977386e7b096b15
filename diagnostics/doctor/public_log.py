"""The public log: whether there is one, whether it has every statement, and whether the guard lets it go on."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from django.conf import settings
from django.db import DatabaseError

from diagnostics.doctor.finding import Finding, failed, ok, warning
from diagnostics.doctor.redis import RefusedError
from transparency import keys, proofs
from transparency.guard import Tree
from transparency.stored import StoppedError

SUBJECT = "log"

ReadGuard = Callable[[str], Coroutine[Any, Any, Tree | None]]


def examine(read_guard: ReadGuard) -> Iterator[Finding]:
    """Compare the log with the statements and with the guard, which `read_guard` reads."""
    found = keys.current()
    if found is None:
        if settings.DIRECTORY_NAME:
            yield warning(
                SUBJECT,
                "There is no public log, so nobody notices if this server lies about keys: to begin one, set what "
                "manage.py newlogkeys prints, and run manage.py buildlog",
            )
        return
    try:
        kept = asyncio.run(read_guard(found.vkey))
        size = proofs.examine(found.vkey, kept)
    except (OSError, ValueError, RefusedError) as error:
        yield failed(SUBJECT, f"The guard does not answer ({error}): nothing is signed, and statements are refused")
    except StoppedError as error:
        yield failed(SUBJECT, f"Nothing is signed, and statements are refused. {error}")
    except DatabaseError:
        yield failed(SUBJECT, "cannot be read while the database is as it is")
    else:
        signed = 0 if kept is None else kept.size
        yield ok(SUBJECT, f"has {size} entries, and the guard {signed} that were signed")
