"""A caller and a callee, message by message, and the account of what they missed."""

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

from tools.bench.connection import Connection
from tools.bench.dialects import ANSWER, CANDIDATES, MESSAGES_PER_CALL, OFFER
from tools.bench.frames import CALL_ID_LENGTH, mask
from tools.bench.load import Load

INSPECT_EVERY = 64  # calls; of the others only the type, the call's ID and the position are checked
LAST_FROM_CALLEE = CANDIDATES  # answer, then candidates
LAST_FROM_CALLER = CANDIDATES + 1  # offer, candidates, then the end


class Account:
    """Counts of all pairs together: calls, and messages that were not the next one."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.calls = 0
        self.wrong: list[str] = []  # messages that were not the next one in order
        self.hop_seconds: list[float] | None = None  # of candidates, when wanted
        self.numbers = itertools.count(1)


class Pair:
    """A caller and a callee. A step is how many messages of this call have arrived on a side."""

    def __init__(self, caller: Connection, callee: Connection, load: Load, account: Account) -> None:
        """Take over both connections."""
        self.caller, self.callee, self.load, self.account = caller, callee, load, account
        self.caller_marks = load.dialect.caller_receives()
        self.callee_marks = load.dialect.callee_receives()
        self.script = load.dialect.script(caller.client, callee.client)
        self.repeat = False
        self.busy = False
        self.number = 0
        self.call_id = b""
        self.masked_id = b""
        self.caller_step = self.callee_step = 0
        self.finished = 0
        self.caller_sent_at = [0.0] * CANDIDATES
        self.callee_sent_at = [0.0] * CANDIDATES
        caller.deliver = self._at_caller
        callee.deliver = self._at_callee

    @property
    def received(self) -> int:
        """Messages of all calls so far."""
        return self.finished * MESSAGES_PER_CALL + self.caller_step + self.callee_step

    @property
    def missing(self) -> int:
        """Messages of this call that were sent and have not arrived."""
        if not self.busy:
            return 0
        sent = 1
        if self.callee_step:
            sent += 1 + CANDIDATES
        if self.caller_step:
            sent += CANDIDATES
        if self.caller_step > LAST_FROM_CALLEE:
            sent += 1
        return sent - self.caller_step - self.callee_step

    def start(self) -> None:
        """Send the next call's offer."""
        self.number = next(self.account.numbers)
        self.call_id = b"bench-%0*d" % (CALL_ID_LENGTH - 6, self.number)
        self.masked_id = mask(self.call_id)
        self.caller_step = self.callee_step = 0
        self.busy = True
        offer = self.script.offer
        self.caller.send(offer.head + self.masked_id + offer.tail)

    def _at_caller(self, data: bytes, start: int, end: int) -> None:
        step = self.caller_step
        if (
            step > LAST_FROM_CALLEE
            or data.find(self.caller_marks[step], start, end) < 0
            or data.find(self.call_id, start, end) < 0
        ):
            self._wrong("caller", step, data[start:end])
            return
        self.caller_step = step + 1
        if step == 0:
            if self.number % INSPECT_EVERY == 0:
                self._inspect(ANSWER, data[start:end])
            self._send_candidates(self.caller, self.script.caller_candidates, self.caller_sent_at)
            return
        if self.account.hop_seconds is not None:
            self.account.hop_seconds.append(self.load.received_at - self.callee_sent_at[step - 1])
        if step == LAST_FROM_CALLEE:
            self.caller.send(self.script.end.head + self.masked_id + self.script.end.tail)

    def _at_callee(self, data: bytes, start: int, end: int) -> None:
        step = self.callee_step
        if (
            data.find(self.callee_marks[step], start, end) < 0
            or data.find(self.call_id, start, end) < 0
            or not self.busy
        ):
            self._wrong("callee", step, data[start:end])
            return
        self.callee_step = step + 1
        if step == 0:
            if self.number % INSPECT_EVERY == 0:
                self._inspect(OFFER, data[start:end])
            answer = self.script.answer
            self.callee.send(answer.head + self.masked_id + answer.tail)
            self._send_candidates(self.callee, self.script.callee_candidates, self.callee_sent_at)
        elif step < LAST_FROM_CALLER:
            if self.account.hop_seconds is not None:
                self.account.hop_seconds.append(self.load.received_at - self.caller_sent_at[step - 1])
        else:
            self._finish()

    def _send_candidates(self, sender: Connection, candidates: tuple[Any, ...], sent_at: list[float]) -> None:
        send, masked_id = sender.send, self.masked_id
        if self.account.hop_seconds is None:
            for candidate in candidates:
                send(candidate.head + masked_id + candidate.tail)
            return
        for number, candidate in enumerate(candidates):
            sent_at[number] = time.perf_counter()
            send(candidate.head + masked_id + candidate.tail)

    def _finish(self) -> None:
        self.finished += 1
        self.account.calls += 1
        self.caller_step = self.callee_step = 0
        self.busy = False
        if self.repeat:
            self.start()

    def _wrong(self, side: str, step: int, message: bytes) -> None:
        self.account.wrong.append(f"{side} step {step} of {self.call_id.decode()}: {message[:200]!r}")

    def _inspect(self, expected: str, message: bytes) -> None:
        if expected not in _leaves(json.loads(message)):
            self.account.wrong.append(f"altered: {message[:200]!r}")


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner)
    else:
        yield value
