"""A witness that others wrote: it cosigns the log of a real server, goes, and comes back."""

import asyncio
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from securecall_client import Client
from securecall_client.owners import look_up_proved
from securecall_client.transparency import Log, Outcome
from securecall_client.transparency.notes import read_checkpoint, read_vkey
from tests.support.made_log import vkey
from tests.support.served_log import ServedLog, log_settings
from tests.support.servers import RunningServer, server
from tests.verifiers.witness import NAME, ForeignWitness
from tools.faults.findings import Finding, at_most

HTTPS = {"X-Forwarded-Proto": "https"}
LOOK_SECONDS = 0.1
# A poll, a witness that is left alone for half a minute after it was away, and a busy machine.
PATIENCE_SECONDS = 150


async def witness() -> list[Finding]:
    """Let it cosign three entries; end it while the log grows; start it again."""
    with TemporaryDirectory(prefix="securecall-witness-") as name, ExitStack() as stack:
        foreign = await asyncio.to_thread(ForeignWitness, Path(name))
        env = {**log_settings(Path(name)), "LOG_WITNESSES": foreign.policy}
        running = stack.enter_context(server(env=env))
        log = ServedLog(running.ws_url)
        with foreign.serving():
            await log.begins()
            first = await _cosigned(running, 3)
        await log.goes_on()
        await running.logged("Witness one does not cosign the public log", PATIENCE_SECONDS)
        async with Client(running.ws_url, "victim") as victim:
            while_away = await look_up_proved(victim, "alice", Log(vkey()))
        with foreign.serving():
            again = await _cosigned(running, 6)
        told = running.log.count("Witness one")
    is_well = while_away.outcome is Outcome.FIRST_TIME
    return [
        at_most("A checkpoint of 3 entries bears the cosignature of a witness by others after", first, 60, "s"),
        Finding("While the witness is away clients are answered", "yes", "yes" if is_well else "no", is_well),
        at_most("One of 6 bears it again, once the witness is back, after", again, PATIENCE_SECONDS, "s"),
        Finding("Lines of the log about the witness: away, and back", "2", str(told), told == len(("away", "back"))),
    ]


async def _cosigned(running: RunningServer, size: int) -> float | None:
    """Wait for a checkpoint of so many entries with the witness' line; return how long that took."""
    begin = time.monotonic()
    while (seconds := time.monotonic() - begin) < PATIENCE_SECONDS:
        _, note = await asyncio.to_thread(running.get, "/log/checkpoint", HTTPS)
        if read_checkpoint(note, read_vkey(vkey())).size == size and f"— {NAME} " in note:
            return seconds
        await asyncio.sleep(LOOK_SECONDS)
    return None
