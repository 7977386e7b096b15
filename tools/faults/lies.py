"""Directories with a public log that lie, before the Python client: by its check alone, and through a proxy."""

import json
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import to_builtins

from securecall_client import Client, Connection, InvalidFrameError, PkdLookup
from securecall_client.owners import look_up_proved
from securecall_client.transparency import Checked, Log, Outcome, Pin, RefusedError, check
from tests.support.lies import CHEATS, World, changed_bytes, honest_answer, is_believed
from tests.support.lying_proxy import LyingProxy, honest, lying_proxy
from tests.support.made_log import vkey
from tests.support.served_log import ServedLog, flipped, log_settings
from tests.support.servers import server
from tools.faults.findings import Finding, all_of, at_most
from tools.faults.system import RAISED

# On a machine that does much else.
REQUEST_SECONDS = 30
# Who only looks up need not register, but for so long; all the changed answers take minutes.
UNREGISTERED = {"REGISTRATION_TIMEOUT_SECONDS": "3600"}
BELIEVED, REFUSED = "believed", "refused"


async def lies(step: int = 1) -> list[Finding]:
    """Change an answer to a client with a pin, and one to a client without, and count what is believed."""
    world = World()
    findings = []
    for name, is_pinned in (("a pin", True), ("no pin", False)):
        told, data, pin = honest_answer(world, is_pinned=is_pinned)
        believed = [is_believed(other, told, world, pin) for other in changed_bytes(data, step)]
        findings.append(
            at_most(f"Of {len(believed):,} changed answers believed by a client with {name}", sum(believed), 0)
        )
    return [*findings, *await _through_a_proxy(step)]


async def _through_a_proxy(step: int) -> list[Finding]:
    """Let a proxy before a real server tell every lie, and its answers with any byte changed."""
    with (
        TemporaryDirectory(prefix="securecall-") as name,
        server(env={**RAISED, **UNREGISTERED, **log_settings(Path(name))}) as running,
    ):
        log = ServedLog(running.ws_url)
        async with lying_proxy(running) as proxy:
            await log.begins()
            async with Client(proxy.ws_url, "victim", timeout=REQUEST_SECONDS) as victim:
                pinned = await look_up_proved(victim, "alice", Log(vkey()))
                await log.goes_on()
                cheats = await _cheats(proxy, log, pinned)
                proxy.lie = honest
                checked = await look_up_proved(victim, "alice", pinned.log, pinned.pin)
            is_honest = [pinned.outcome is Outcome.FIRST_TIME, checked.outcome is Outcome.UNCHANGED]
            findings = [
                all_of("Honest answers of a server behind a proxy that are believed", sum(is_honest), len(is_honest)),
                *_told(f"{len(CHEATS)} cheats of that proxy", cheats),
            ]
            for what, pin in (("with a pin", pinned.pin), ("without one", None)):
                flips = await _flips(proxy, log, pinned.log, pin, step)
                findings += _told(f"{flips.total():,} changed answers to a client {what}", flips)
    return findings


def _told(what: str, verdicts: Counter[str]) -> list[Finding]:
    unexpected = [f"{name} ({count})" for name, count in verdicts.items() if name not in {BELIEVED, REFUSED}]
    return [
        at_most(f"Of {what} believed", verdicts[BELIEVED], 0),
        Finding(f"Unexpected exceptions of {what}", "0", ", ".join(unexpected) or "0", is_kept=not unexpected),
    ]


async def _cheats(proxy: LyingProxy, log: ServedLog, pinned: Checked) -> Counter[str]:
    verdicts: Counter[str] = Counter()
    connection = await Connection.open(proxy.ws_url)
    for cheat in CHEATS.values():
        proxy.lie = log.lie(cheat)
        verdicts[await _verdict(connection, pinned.log, pinned.pin)] += 1
    await connection.close()
    return verdicts


async def _verdict(connection: Connection, known: Log, pin: Pin | None) -> str:
    """Look alice up, and say whether the answer is believed, or which exception nobody expects."""
    await connection.send(PkdLookup("alice", -1 if pin is None else 1, known.size))
    try:
        check([to_builtins(await connection.receive())], "alice", known, pin, time.time())
    except (RefusedError, InvalidFrameError):
        return REFUSED
    except Exception as error:  # noqa: BLE001 -- it is what is looked for
        return type(error).__name__
    return BELIEVED


async def _flips(proxy: LyingProxy, log: ServedLog, known: Log, pin: Pin | None, step: int) -> Counter[str]:
    """Answer with each changed answer that says something else than the honest one."""
    after = -1 if pin is None else 1
    right = log.world().answer(after=after)
    verdicts: Counter[str] = Counter()
    connection = await Connection.open(proxy.ws_url)
    for data in changed_bytes(json.dumps(right, separators=(",", ":")).encode(), step):
        if _says(data) == right:
            continue
        proxy.lie = flipped(data)
        verdicts[await _verdict(connection, known, pin)] += 1
    await connection.close()
    return verdicts


def _says(data: bytes) -> object:
    try:
        return json.loads(data)
    except ValueError:
        return None
