"""Count refused clients: an ERROR, and a close code that tells whether the address was the reason."""

import asyncio
import contextlib

from diagnostics.failures import RefusedError
from diagnostics.loadtest.account import Account
from diagnostics.participant import Participant
from securecall_client import ClosedError, Error, InvalidFrameError
from securecall_client.connection import CLOSE_SECONDS

TOO_MANY = 4429


async def count_refusal(client: Participant, error: Exception, account: Account) -> None:
    """Add the errors and the close code of a client that could not register to the account."""
    if isinstance(error, RefusedError):
        account.errors[error.code] += 1
    if isinstance(error, RefusedError | ClosedError):
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await _count_errors(client, account)
        except ClosedError as closed:
            account.closes[closed.code] += 1
            account.is_refused_by_address |= closed.code == TOO_MANY
        except TimeoutError:
            pass


async def _count_errors(client: Participant, account: Account) -> None:
    while True:
        with contextlib.suppress(InvalidFrameError):
            message = await client.connection.receive()
            if isinstance(message, Error):
                account.errors[message.code] += 1
