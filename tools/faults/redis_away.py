"""Redis is away for a while, and comes back empty."""

import asyncio
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from securecall_client import CallInitiate, Error, IceCandidate, new_call_id
from tests.support.people import OFFER
from tests.support.servers import RunningServer
from tools.faults.calling import establish, establish_all
from tools.faults.findings import Finding, all_of, at_most, noted
from tools.faults.phone import Phone, until
from tools.faults.system import System, new_id, system

SPEAK_SECONDS = 0.1
WORKS_SECONDS = 3
SILENCE_SECONDS = 1


@dataclass
class _Call:
    caller: Phone
    callee: Phone
    call_id: str
    numbers: Iterator[int] = field(default_factory=itertools.count)
    sent: int = 0

    async def speak(self) -> None:
        """Say something again and again, whatever becomes of it."""
        while True:
            self.sent += await self.caller.say(IceCandidate(self.call_id, str(next(self.numbers))))
            await asyncio.sleep(SPEAK_SECONDS)

    @property
    def came(self) -> list[int]:
        return self.callee.candidates[self.call_id]

    @property
    def errors(self) -> int:
        return self.caller.count(Error, self.call_id)


async def redis_away(calls: int, seconds: float) -> list[Finding]:
    """Stop Redis for `seconds` under two processes with `calls` inside each, and as many across both."""
    with system() as running:
        return await _redis_away(running, calls, seconds)


async def _redis_away(running: System, count: int, seconds: float) -> list[Finding]:
    processes = running.start(), running.start()
    local, across = await _calls(running, processes, count)
    calls = local + across
    speaking = [asyncio.create_task(call.speak()) for call in calls]
    await asyncio.sleep(SILENCE_SECONDS)
    running.redis.stop()
    refused = await _call_while_away([call.caller for call in calls])
    await asyncio.sleep(seconds)
    running.redis.start()
    back_at = time.monotonic()
    works = await _until_every_call_works(across)
    rings = await asyncio.gather(*(establish(call.callee, call.caller) for call in across))
    rings_after = time.monotonic() - back_at
    for task in speaking:
        task.cancel()
    await asyncio.sleep(SILENCE_SECONDS)
    phones = [phone for call in calls for phone in (call.caller, call.callee)]
    findings = [
        all_of("Clients that stayed connected", sum(not phone.closes for phone in phones), len(phones)),
        *_account("inside a process", local, may_be_refused=False),
        *_account("across processes", across, may_be_refused=True),
        all_of("New calls meanwhile that were answered with an ERROR", refused, len(calls)),
        at_most("Every call across processes works again after", works, WORKS_SECONDS, "s"),
        all_of("New calls across processes that were answered", sum(map(bool, rings)), len(rings)),
        at_most("the last one after", rings_after, WORKS_SECONDS, "s"),
    ]
    for phone in phones:
        await phone.stop()
    return findings


async def _calls(
    running: System, processes: tuple[RunningServer, RunningServer], count: int
) -> tuple[list[_Call], list[_Call]]:
    async def phone(place: int) -> Phone:
        return await Phone(new_id("phone"), running.doors, door=processes[place].ws_url).start()

    local = [(await phone(place % 2), await phone(place % 2)) for place in range(2 * count)]
    across = [(await phone(0), await phone(1)) for _ in range(count)]
    ids = await establish_all(local + across)
    calls = [_Call(*pair, call_id) for pair, call_id in zip(local + across, ids, strict=True)]
    return calls[: len(local)], calls[len(local) :]


async def _call_while_away(callers: list[Phone]) -> int:
    """Let each caller place a call; returns how many were told that it does not work now."""

    async def is_refused(caller: Phone) -> bool:
        call_id = new_call_id()
        await caller.say(CallInitiate("somebody", OFFER, call_id))
        return await until(lambda: caller.count(Error, call_id), SILENCE_SECONDS) is not None

    return sum(await asyncio.gather(*(is_refused(caller) for caller in callers)))


async def _until_every_call_works(calls: list[_Call]) -> float | None:
    """Wait until a message on every call arrives."""
    begin = [len(call.came) for call in calls]
    return await until(
        lambda: all(len(call.came) > before for call, before in zip(calls, begin, strict=True)), 2 * WORKS_SECONDS
    )


def _account(where: str, calls: list[_Call], *, may_be_refused: bool) -> list[Finding]:
    sent, came = sum(call.sent for call in calls), sum(len(set(call.came)) for call in calls)
    errors = sum(call.errors for call in calls)
    twice = sum(len(call.came) for call in calls) - came
    disordered = sum(call.came != sorted(call.came) for call in calls)
    findings = [
        noted(f"Candidates sent {where}", f"{sent:,}"),
        # A sender may be told that one did not arrive that did: the link broke before Redis' answer came.
        at_most(f"Neither delivered nor answered with an ERROR, {where}", max(sent - came - errors, 0), 0),
        at_most(f"Came twice or out of order, {where}", twice + disordered, 0),
    ]
    if may_be_refused:
        return [*findings, noted("Answered with an ERROR", f"{errors:,}, {max(came + errors - sent, 0)} of them came")]
    return [*findings, at_most(f"Answered with an ERROR, {where}", errors, 0)]
