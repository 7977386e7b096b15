"""What a client asks and says of owners: whom a peer's ID belongs to, checked, and statements about its own."""

import asyncio
import contextlib
import time
from functools import partial
from typing import Any

from msgspec import to_builtins

from securecall_client import transparency
from securecall_client.checking import Checked, Reading
from securecall_client.client import REQUEST_SECONDS, Client
from securecall_client.errors import ClosedError
from securecall_client.messages import PkdLookup, PkdRegister, PkdResult
from securecall_client.ownership import Statement
from securecall_client.parts import StatementSignatures
from securecall_client.patience import patiently
from securecall_client.refusal import RefusedError
from securecall_client.statement_rules import read_statement
from securecall_client.transparency import Log, Pin

RESEND_SECONDS = 0.1
NONE_KNOWN = -1


async def look_up(
    client: Client, client_id: str, pin: Statement | None = None, directory: str | None = None
) -> Checked:
    """Look up whom a client ID belongs to and what key it has, and check it against the last believed statement.

    `directory` is the name that the server gave before. Answers are checked one by one, and none is asked for
    behind one that does not follow. Raises `RefusedError` for that, and what `Client.request` does.
    """
    reading = Reading(client_id, pin, directory)
    while True:
        asking = partial(client.request, PkdLookup(client_id, reading.after), PkdResult)
        if not reading.add(await patiently(asking, REQUEST_SECONDS)):
            return reading.checked()


async def look_up_proved(client: Client, client_id: str, log: Log, pin: Pin | None = None) -> transparency.Checked:
    """Look up a client ID, and check the answers against the server's public log; what to keep is in the result.

    `log` and `pin` are what was kept before. Raises `RefusedError` for what is wrong, and what `Client.request` does.
    """
    answers: list[dict[str, Any]] = []
    after: int | None = NONE_KNOWN if pin is None else read_statement(pin.statement).seq
    # Each page is believed only with the last one: a server could send them without an end.
    async with asyncio.timeout(REQUEST_SECONDS):
        while after is not None:
            asking = partial(client.request, PkdLookup(client_id, after, log.size), PkdResult)
            answers.append(to_builtins(await patiently(asking, REQUEST_SECONDS)))
            after = None
            # What is no answer is refused below, with all of them as evidence.
            with contextlib.suppress(RefusedError):
                after = transparency.after_next(answers[-1])
    return transparency.check(answers, client_id, log, pin, time.time())


async def send_statement(
    client: Client, statement: Statement, signatures: StatementSignatures, public_key: str | None
) -> PkdResult:
    """Send a statement of a client's own ID; return the answer, which comes once it is accepted.

    Where a connection breaks before the answer it is sent again: the server answers the same one alike. Keep the new
    key and the statement before you call this. Raises what `Client.request` does, and `TimeoutError`.
    """
    message = PkdRegister(statement.client_id, public_key, statement.text, signatures)
    async with asyncio.timeout(REQUEST_SECONDS):
        while True:
            try:
                return await patiently(lambda: client.request(message, PkdResult), REQUEST_SECONDS)
            except ClosedError:
                await asyncio.sleep(RESEND_SECONDS)
