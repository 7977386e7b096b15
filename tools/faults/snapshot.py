"""Redis is killed and comes back with a snapshot: older than some calls and hang-ups, with clients that left since."""

import asyncio
import os
import signal
import time

import redis

from securecall_client import (
    CallAccepted,
    CallEnd,
    CallEnded,
    CallInitiate,
    Error,
    ErrorCode,
    IncomingCall,
    new_call_id,
)
from tests.support.people import OFFER
from tools.faults.calling import establish_all, hang_up, trickle
from tools.faults.findings import Finding, all_of, at_most, noted
from tools.faults.phone import Phone, until
from tools.faults.system import System, new_id, system

WORKS_SECONDS = 3
Pair = tuple[Phone, Phone]


async def snapshot(pairs: int) -> list[Finding]:
    """Kill Redis under two processes, with so many calls of each kind across both, and start it with older data."""
    with system() as running:
        return await _snapshot(running, pairs)


async def _snapshot(running: System, count: int) -> list[Finding]:
    doors = [running.start().ws_url, running.start().ws_url]

    async def pairs() -> list[Pair]:
        phones = [Phone(new_id("phone"), running.doors, door=doors[place % 2]) for place in range(2 * count)]
        await asyncio.gather(*(phone.start() for phone in phones))
        return list(zip(phones[::2], phones[1::2], strict=True))

    standing, ending, leaving = await pairs(), await pairs(), await pairs()
    of_standing, of_ending = await establish_all(standing), await establish_all(ending)
    with redis.Redis.from_url(running.redis.url) as operator:
        operator.save()
    ended = await asyncio.gather(*(hang_up(*pair, call) for pair, call in zip(ending, of_ending, strict=True)))
    newcomers = await pairs()
    of_newcomers = await establish_all(newcomers)
    await asyncio.gather(*(callee.stop() for _, callee in leaving))
    os.kill(running.redis.pid, signal.SIGKILL)
    running.redis.stop()
    running.redis.start()
    back_at = time.monotonic()
    calls = list(zip([*standing, *newcomers], [*of_standing, *of_newcomers], strict=True))
    await asyncio.sleep(WORKS_SECONDS)
    after = time.monotonic() - back_at
    going_on = await asyncio.gather(*(_goes_on(*pair, call) for pair, call in calls))
    refused = await asyncio.gather(
        *(_is_over(caller, call) for (caller, _), call in zip(ending, of_ending, strict=True))
    )
    unreached = await asyncio.gather(*(_is_gone(caller, callee.id) for caller, callee in leaving))
    rings = await establish_all([(callee, caller) for caller, callee in newcomers])
    phones = [phone for pair in (*standing, *ending, *newcomers, *leaving) for phone in pair]
    closes = sum(phone.closes.total() for phone in phones)
    await asyncio.gather(*(phone.stop() for phone in phones if not phone.stays_away))
    return [
        noted("Looked at after Redis was back for", f"{after:.1f} s"),
        at_most("Connections closed by it", closes, 0),
        all_of("Calls that go on, and whose hang-up is heard", sum(going_on), len(calls)),
        all_of("Calls that had ended after the snapshot, and stay ended", sum(refused), sum(ended)),
        all_of("Clients that had left after the snapshot, and do not ring", sum(unreached), count),
        all_of("Clients that had come after the snapshot, and ring", len(rings), count),
    ]


async def _goes_on(caller: Phone, callee: Phone, call_id: str) -> bool:
    """Say something both ways, and hang up; each within a second, and said once."""
    before = len(caller.heard)
    await asyncio.gather(trickle(caller, call_id, range(1)), trickle(callee, call_id, range(1)))
    sides = (caller, callee)
    if await until(lambda: all(side.candidates[call_id] for side in sides), 1) is None:
        return False
    await caller.say(CallEnd(call_id))
    is_heard = await until(lambda: callee.count(CallEnded, call_id), 1) is not None
    return is_heard and not any(isinstance(one, CallAccepted | IncomingCall) for one in caller.heard[before:])


async def _is_over(caller: Phone, call_id: str) -> bool:
    await caller.say(CallEnd(call_id))
    return await _hears(caller, call_id, ErrorCode.CALL_NOT_FOUND)


async def _is_gone(caller: Phone, target: str) -> bool:
    call_id = new_call_id()
    await caller.say(CallInitiate(target, OFFER, call_id))
    return await _hears(caller, call_id, ErrorCode.TARGET_NOT_FOUND)


async def _hears(phone: Phone, call_id: str, code: ErrorCode) -> bool:
    def came() -> bool:
        return any(isinstance(one, Error) and (one.call_id, one.code) == (call_id, code) for one in phone.heard)

    return await until(came, 1) is not None
