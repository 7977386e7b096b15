"""The public log: whether it is there, whole, and let go on by its guard, and whether its witnesses cosign."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from django.conf import settings
from django.db import DatabaseError

from diagnostics.doctor.finding import Finding, failed, ok, warning
from diagnostics.doctor.redis import RefusedError
from transparency import keys, proofs
from transparency import witness as wire
from transparency.guard import Tree
from transparency.keys import LogKeys
from transparency.notes import Checkpoint
from transparency.stored import StoppedError
from transparency.witness import OtherSizeError, WitnessError, read, request
from transparency.witness_policy import Policy, Witness

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
        size = proofs.examine(found, kept)
    except (OSError, ValueError, RefusedError) as error:
        yield failed(SUBJECT, f"The guard does not answer ({error}): nothing is signed, and statements are refused")
    except StoppedError as error:
        yield failed(SUBJECT, f"Nothing is signed, and statements are refused. {error}")
    except DatabaseError:
        yield failed(SUBJECT, "cannot be read while the database is as it is")
    else:
        signed = 0 if kept is None else kept.size
        yield ok(SUBJECT, f"has {size} entries, and the guard {signed} that were signed")
        if kept is not None and kept.size:
            yield from _witnesses(found, kept)


def _witnesses(keys: LogKeys, kept: Tree) -> Iterator[Finding]:
    """Offer each witness the tree that the guard keeps, which was signed before."""
    policy: Policy | None = settings.LOG_WITNESSES
    if policy is None:
        return
    # Without the line that says that this is the largest tree now: the server alone knows that.
    text = Checkpoint(keys.signer.verifier.name, *kept).text
    body = request(f"{text}\n{keys.signer.sign(text)}", 0, [])
    trouble = asyncio.run(_asked(policy, body, text))
    for witness in policy.witnesses:
        if reason := trouble.get(witness.name):
            yield failed(SUBJECT, f"Witness {witness.name} does not cosign: {reason}")
    names = [witness.name for witness in policy.witnesses if witness.name not in trouble]
    if policy.is_met(names):
        yield ok(SUBJECT, f"{len(names)} of {len(policy.witnesses)} witnesses answer, which is enough")


async def _asked(policy: Policy, body: bytes, text: str) -> dict[str, str]:
    """Return by their names what is wrong with witnesses; one that knows a larger tree says so, and is well."""

    async def ask(witness: Witness) -> str:
        try:
            read(await wire.ask(witness, body), witness, text)
        except OtherSizeError:
            return ""
        except WitnessError as error:
            return str(error)
        return ""

    reasons = await asyncio.gather(*map(ask, policy.witnesses))
    return {witness.name: reason for witness, reason in zip(policy.witnesses, reasons, strict=True) if reason}
