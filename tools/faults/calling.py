"""Calls between phones, message by message, through whatever happens to their connections."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from securecall_client import (
    CallAccept,
    CallAccepted,
    CallEnd,
    CallEnded,
    CallInitiate,
    ClientMessage,
    Error,
    ErrorCode,
    IceCandidate,
    IncomingCall,
    new_call_id,
)
from tests.support.people import ANSWER, OFFER
from tools.faults.phone import Phone, until

RETRY_SECONDS = 0.25
# An active call has no time limit, but what waits for a client that is away is held for 30 s only.
PATIENCE_SECONDS = 40
CANDIDATES = 8


async def establish(caller: Phone, callee: Phone) -> str | None:
    """Place a call and answer it, repeating what is refused; returns the callId, or None when that never succeeded."""
    call_id = new_call_id()

    def is_open() -> bool:
        # It rings; or has rung, when the answer to a repeated CALL_INITIATE says so.
        return callee.count(IncomingCall, call_id) > 0

    if not await _insist(caller, CallInitiate(callee.id, OFFER, call_id), call_id, is_open):
        return None
    accept = CallAccept(call_id, ANSWER)
    if not await _insist(callee, accept, call_id, lambda: caller.count(CallAccepted, call_id)):
        return None
    return call_id


async def establish_all(pairs: Iterable[Sequence[Phone]]) -> list[str]:
    """Have the first of each pair call the second; returns the callIds, in this order."""
    ids = await asyncio.gather(*(establish(caller, callee) for caller, callee in pairs))
    return [_present(call_id) for call_id in ids]


def _present(call_id: str | None) -> str:
    if call_id is None:
        raise RuntimeError("A call was never answered, before anything was done to the server.")
    return call_id


async def hang_up(caller: Phone, callee: Phone, call_id: str) -> bool:
    """End the call; returns whether the callee heard of it."""
    return await _insist(caller, CallEnd(call_id), call_id, lambda: callee.count(CallEnded, call_id))


async def _insist(phone: Phone, message: ClientMessage, call_id: str, came: Callable[[], object]) -> bool:
    """Send once; again only after an error that says so, or where there was no connection."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        seen = len(phone.heard)
        if await phone.say(message):

            def is_refused(seen: int = seen) -> bool:
                return any(
                    isinstance(error, Error)
                    and error.call_id == call_id
                    and error.code in {ErrorCode.RATE_LIMITED, ErrorCode.TARGET_NOT_FOUND}
                    for error in itertools.islice(phone.heard, seen, None)
                )

            await until(lambda: came() or is_refused(), deadline - time.monotonic())
            if came():
                return True
        await asyncio.sleep(RETRY_SECONDS)
    return bool(came())


async def trickle(sender: Phone, call_id: str, numbers: range) -> None:
    """Send numbered candidates, each once the sender has a connection."""
    for number in numbers:
        await sender.say_when_back(IceCandidate(call_id, str(number)))


async def whole_call(caller: Phone, callee: Phone, outcomes: Counter[str]) -> None:
    """Call, answer, trickle both ways, hang up; counts what came of it in `outcomes`."""
    outcomes["started"] += 1
    call_id = await establish(caller, callee)
    if call_id is None:
        outcomes["never answered"] += 1
        return
    numbers = range(CANDIDATES)
    await asyncio.gather(trickle(caller, call_id, numbers), trickle(callee, call_id, numbers))
    sides = (caller, callee)
    await until(lambda: all(len(set(side.candidates[call_id])) == CANDIDATES for side in sides), PATIENCE_SECONDS)
    for side in sides:
        came = side.candidates.pop(call_id, [])
        outcomes["messages"] += CANDIDATES
        outcomes["lost"] += CANDIDATES - len(set(came))
        outcomes["came twice"] += len(came) - len(set(came))
        first = list(dict.fromkeys(came))
        outcomes["out of order"] += first != sorted(first)
    if any(side.count(CallEnded, call_id) for side in sides):
        outcomes["ended by itself"] += 1
        return
    outcomes["finished" if await hang_up(caller, callee, call_id) else "never ended"] += 1
    for side in sides:
        side.heard = [message for message in side.heard if message.call_id != call_id]
