"""Let clients come, call, drop and go for a long time, and compare the processes with how they were before."""

import asyncio
import random
import time
from collections import Counter
from contextlib import suppress

from websockets.exceptions import WebSocketException

from tests.support.people import ANSWER, CANDIDATE, OFFER, Person, new_call_id
from tools.faults.findings import Finding, at_most, noted
from tools.faults.readings import HASTY, MIB, growth, settled
from tools.faults.system import System, new_id, system

COMING_AND_GOING = 40
WARM_SECONDS = 20


async def soak(seconds: float) -> list[Finding]:
    """Let clients come and go on two processes for so long; compare with how it was after the first 20 s of it."""
    with system(HASTY) as running:
        processes = [running.start(), running.start()]
        done: Counter[str] = Counter()
        await _live(running, WARM_SECONDS, done)
        before = await settled(running, processes)
        done.clear()
        await _live(running, seconds, done)
        after = await settled(running, processes)
    return [
        noted("Length of the soak", f"{seconds / 60:.1f} minutes"),
        noted("Connections, calls, drops", f"{done['connections']:,}, {done['calls']:,}, {done['drops']:,}"),
        at_most("Clients that met something unexpected", done["unexpected"], 0),
        growth(
            f"resident memory, from {before.resident / MIB:.0f} MiB in two processes", before.resident, after.resident
        ),
        at_most("More open files", after.files - before.files, 0),
        at_most("More threads", after.threads - before.threads, 0),
        growth(f"the event loops' tasks, from {before.tasks}", before.tasks, after.tasks),
        at_most("Groups of the channel layers that stay", after.groups, 0),
        at_most("Keys left in Redis: clients, calls, held messages, addresses", after.keys.total(), 0),
    ]


async def _live(running: System, seconds: float, done: Counter[str]) -> None:
    deadline = time.monotonic() + seconds
    await asyncio.gather(*(_come_and_go(running, deadline, done) for _ in range(COMING_AND_GOING)))


async def _come_and_go(running: System, deadline: float, done: Counter[str]) -> None:
    """Connect two clients through random doors and let them call, again and again until the deadline."""
    dice = random.Random()  # noqa: S311 -- nothing to guess
    while time.monotonic() < deadline:
        doors = dice.choice(running.doors), dice.choice(running.doors)
        try:
            async with Person(doors[0], new_id("soak")) as caller, Person(doors[1], new_id("soak")) as callee:
                done["connections"] += 2
                await caller.registers()
                await callee.registers()
                await _call(caller, callee, dice, done)
        except (AssertionError, OSError, TimeoutError, WebSocketException):
            done["unexpected"] += 1


async def _call(caller: Person, callee: Person, dice: random.Random, done: Counter[str]) -> None:
    call_id = new_call_id()
    await caller.send("CALL_INITIATE", targetId=callee.id, sdpOffer=OFFER, callId=call_id)
    await callee.expects("INCOMING_CALL")
    done["calls"] += 1
    match dice.randrange(6):
        case 0:
            await callee.send("CALL_REJECT", callId=call_id)
            await caller.expects("CALL_REJECTED")
            return
        case 1:
            # The call is not answered, and both clients are cut off.
            caller.drop()
            callee.drop()
            done["drops"] += 2
            return
    await callee.send("CALL_ACCEPT", callId=call_id, sdpAnswer=ANSWER)
    await caller.expects("CALL_ACCEPTED")
    for speaker, listener in ((caller, callee), (callee, caller)) * 4:
        await speaker.send("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)
        await listener.expects("ICE_CANDIDATE")
    match dice.randrange(3):
        case 0:
            callee.drop()
            done["drops"] += 1
            # Held, or told that it is gone: either way nothing of it may stay.
            await caller.send("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)
        case 1:
            await caller.send("CALL_END", callId=call_id)
            await callee.expects("CALL_ENDED")
    with suppress(WebSocketException):
        await caller.close()
