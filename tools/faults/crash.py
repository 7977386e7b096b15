"""`kill -9` of one of two processes with calls across both."""

import asyncio
import signal
import time

from securecall_client import CallEnd, CallEnded, CallInitiate, IceCandidate, new_call_id
from tools.faults.calling import establish_all, hang_up, trickle
from tools.faults.findings import Finding, all_of, at_most, noted
from tools.faults.phone import Phone, until
from tools.faults.system import System, new_id, system

TRICKLE_SECONDS = 0.05
BACK_SECONDS = 10
# A lease of 30 s, a hold of 30 s, and the rounds of the process that finds out.
GONE_SECONDS = 90


async def crash(calls: int, *, never_return: int = 0) -> list[Finding]:
    """Kill the process of every callee; `never_return` more of them stay away for ever, which takes a minute."""
    with system() as running:
        return await _crash(running, calls, never_return)


async def _crash(running: System, calls: int, never_return: int) -> list[Finding]:
    survivor, victim = running.start(), running.start()
    pairs = [
        await asyncio.gather(
            Phone(new_id("caller"), running.doors, door=survivor.ws_url).start(),
            Phone(new_id("callee"), running.doors, door=victim.ws_url).start(),
        )
        for _ in range(calls + never_return)
    ]
    ids = await establish_all(pairs)
    for _, callee in pairs[calls:]:
        callee.stays_away = True

    speech = _Speech()
    speaking = [asyncio.create_task(speech.speak(pair[0], call_id)) for pair, call_id in zip(pairs, ids, strict=True)]
    await asyncio.sleep(0.5)
    running.close_door(victim)
    victim.signal(signal.SIGKILL)
    await asyncio.to_thread(victim.wait)
    # Until Redis has seen its socket close, it takes what it passes on to it for delivered.
    await until(lambda: running.connections_to_redis() == 1, BACK_SECONDS)
    killed_at = time.monotonic()
    # Every other caller hangs up while the callee is away, after what it has said.
    leaving = range(0, calls, 2)
    for place in leaving:
        speaking[place].cancel()
        await pairs[place][0].say(CallEnd(ids[place]))
    returning = pairs[:calls]
    # Registered for the second time: on a busy machine a client may not have noticed yet that it lost the first.
    back = await until(lambda: all(len(callee.away_seconds) > 1 for _, callee in returning), BACK_SECONDS)
    await asyncio.sleep(0.3)
    for task in speaking:
        task.cancel()
    await asyncio.sleep(0.5)

    findings = [
        all_of("Survivors' clients that stayed connected", sum(not caller.closes for caller, _ in pairs), len(pairs)),
        at_most("The others are back and registered after", back, BACK_SECONDS, "s"),
        *speech.findings([(callee, call_id) for (_, callee), call_id in zip(returning, ids, strict=False)], killed_at),
        all_of(
            "Hang-ups sent meanwhile that came exactly once, after the candidates",
            sum(_heard_the_end(returning[place][1], ids[place]) for place in leaving),
            len(leaving),
        ),
        await _calls_go_on([(pair, ids[place]) for place, pair in enumerate(returning) if place not in leaving]),
    ]
    if never_return:
        findings += await _gone(pairs[calls:], ids[calls:], killed_at)
    for phone in (phone for pair in pairs for phone in pair):
        await phone.stop()
    if never_return:
        left = await _left(running)
        findings.append(Finding("Keys that stay in Redis: clients, calls, addresses", "0", left or "0", not left))
    return findings


def _heard_the_end(callee: Phone, call_id: str) -> bool:
    return callee.count(CallEnded, call_id) == 1


class _Speech:
    """Numbered candidates of every caller, and when each left."""

    def __init__(self) -> None:
        self.sent_at: dict[str, list[float]] = {}

    async def speak(self, caller: Phone, call_id: str) -> None:
        times = self.sent_at[call_id] = []
        while True:
            times.append(time.monotonic())
            await caller.say(IceCandidate(call_id, str(len(times) - 1)))
            await asyncio.sleep(TRICKLE_SECONDS)

    def findings(self, heard: list[tuple[Phone, str]], killed_at: float) -> list[Finding]:
        sent = lost = before = twice = disordered = 0
        for callee, call_id in heard:
            came = callee.candidates[call_id]
            missing = set(range(len(self.sent_at[call_id]))) - set(came)
            sent += len(self.sent_at[call_id])
            lost += sum(self.sent_at[call_id][number] > killed_at for number in missing)
            before += sum(self.sent_at[call_id][number] <= killed_at for number in missing)
            twice += len(came) - len(set(came))
            disordered += came != sorted(came)
        return [
            noted("Candidates sent, before the kill and after it", f"{sent:,}"),
            at_most("Lost of those sent after Redis knew that the process was dead", lost, 0),
            noted("Lost in the killed process and on the way to it", f"{before:,}"),
            at_most("Came twice", twice, 0),
            at_most("Calls whose candidates came out of order", disordered, 0),
        ]


async def _calls_go_on(calls: list[tuple[tuple[Phone, Phone], str]]) -> Finding:
    """Send a message from each client that came back, and end its call."""

    async def goes_on(caller: Phone, callee: Phone, call_id: str) -> bool:
        await trickle(callee, call_id, range(3))
        came = await until(lambda: caller.candidates[call_id] == [0, 1, 2], 5)
        return came is not None and await hang_up(callee, caller, call_id)

    kept = await asyncio.gather(*(goes_on(*pair, call_id) for pair, call_id in calls))
    return all_of("Calls that go on", sum(kept), len(calls))


async def _gone(pairs: list[tuple[Phone, Phone]], ids: list[str], killed_at: float) -> list[Finding]:
    """Those who never come back cannot be called any more, and their calls end."""
    witness, absent = pairs[0]
    deadline = killed_at + GONE_SECONDS
    absent_at = None
    while absent_at is None and time.monotonic() < deadline:
        probe = new_call_id()
        await witness.say(CallInitiate(absent.id, "v=0", probe))
        await asyncio.sleep(0.5)
        if witness.errors["TARGET_NOT_FOUND"]:
            absent_at = time.monotonic() - killed_at
        else:
            await witness.say(CallEnd(probe))
    await until(
        lambda: all(pair[0].count(CallEnded, call_id) for pair, call_id in zip(pairs, ids, strict=True)),
        deadline - time.monotonic(),
    )
    ended = time.monotonic() - killed_at
    return [
        at_most("Who never comes back is no target any more after", absent_at, GONE_SECONDS, "s"),
        at_most("and its calls have ended after", ended, GONE_SECONDS, "s"),
    ]


async def _left(running: System) -> str:
    await until(lambda: not running.left_in_redis(), 5)
    return ", ".join(f"{count} {kind}" for kind, count in running.left_in_redis().items())
