"""A client that is cut off at a byte that the dice choose: what it says, how far it gets, and how it goes."""

import asyncio
import contextlib
import enum
import json
import random
import socket
import struct
from dataclasses import dataclass
from typing import Any, ClassVar

from tests.support.people import ANSWER, CANDIDATE, OFFER
from tests.support.servers import RunningServer
from tools.bench.frames import frame, handshake

PATIENCE_SECONDS = 15
# A callee waits for a call that may not come.
RING_SECONDS = 1
PATIENT_SHARE = 0.7
TEXT, CONTINUATION, CLOSE, PING = 0x01, 0x80, 0x88, 0x89
CODES = (None, 1000, 1001, 3000, 4000)


class Cut(enum.StrEnum):
    """How a client goes."""

    FIN = "FIN"
    RESET = "RST"
    CLOSE = "close frame"  # after whole frames
    HALF_CLOSE = "half-close"  # it reads on


@dataclass(frozen=True, slots=True)
class Step:
    """Bytes that a client sends, and what a patient one hears before it says more."""

    data: bytes
    answer: bytes = b""
    seconds: float = PATIENCE_SECONDS


@dataclass(frozen=True, slots=True)
class Plan:
    """What a client says, and how it goes."""

    steps: list[Step]
    is_patient: bool
    cut: Cut


def plan(dice: random.Random, own: str, *, calls: str = "", called_by: str = "") -> Plan:
    """Make a plan for one side of a call."""
    steps = _caller(own, calls) if calls else _callee(own, called_by)
    cut = dice.choice(list(Cut))
    if cut is Cut.CLOSE:
        kept = steps[: dice.randint(1, len(steps))]
        code = dice.choice(CODES)
        kept.append(Step(frame(b"" if code is None else code.to_bytes(2, "big"), CLOSE)))
    else:
        kept = _first_bytes(steps, dice.randrange(sum(len(step.data) for step in steps)))
    return Plan(kept, dice.random() < PATIENT_SHARE, cut)


def _first_bytes(steps: list[Step], size: int) -> list[Step]:
    kept: list[Step] = []
    for step in steps:
        if size < len(step.data):
            return [*kept, Step(step.data[:size])]
        kept.append(step)
        size -= len(step.data)
    return kept


def _beginning(own: str) -> list[Step]:
    return [
        Step(handshake("localhost", "/signal"), b"\r\n\r\n"),
        Step(_said("REGISTER", clientId=own), b'"REGISTERED"'),
    ]


def _caller(own: str, callee: str) -> list[Step]:
    call_id = _call_id(own)
    return [
        *_beginning(own),
        Step(_said("CALL_INITIATE", targetId=callee, sdpOffer=OFFER, callId=call_id)),
        Step(_said("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)),
        Step(frame(b"alive", PING), b"alive"),
        Step(_in_fragments("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)),
        Step(_said("HEARTBEAT"), b"HEARTBEAT_ACK"),
        Step(_said("CALL_END", callId=call_id)),
    ]


def _callee(own: str, caller: str) -> list[Step]:
    call_id = _call_id(caller)
    return [
        *_beginning(own),
        Step(_said("HEARTBEAT"), b"INCOMING_CALL", RING_SECONDS),
        Step(_said("CALL_ACCEPT", callId=call_id, sdpAnswer=ANSWER)),
        Step(_in_fragments("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)),
        Step(_said("PKD_LOOKUP", clientId=caller), b"PKD_RESULT"),
        Step(_said("ICE_CANDIDATE", callId=call_id, candidate=CANDIDATE)),
    ]


def _call_id(caller: str) -> str:
    return f"call-{caller}"


def _said(message_type: str, **payload: Any) -> bytes:
    return frame(json.dumps({"type": message_type, "payload": payload}).encode())


def _in_fragments(message_type: str, **payload: Any) -> bytes:
    text = json.dumps({"type": message_type, "payload": payload}).encode()
    middle = len(text) // 2
    return frame(text[:middle], TEXT) + frame(b"", PING) + frame(text[middle:], CONTINUATION)


class Victim:
    """A client on a bare socket that follows a plan."""

    STAGES: ClassVar[dict[str, bytes]] = {
        "in a call": b"CALL",
        "registered": b'"REGISTERED"',
        "open": b"HTTP/1.1 101 ",
        "unanswered": b"",
    }

    def __init__(self, running: RunningServer, plan: Plan) -> None:
        self.plan = plan
        # Whether the server closed its side.
        self.was_ended = False
        # It is registered, or gone.
        self.is_known = asyncio.Event()
        self._address = running.host, running.port
        self._came = b""
        self._socket = socket.socket()

    @property
    def waits(self) -> bool:
        """Return whether it is the server's to end the connection."""
        return self.plan.cut in {Cut.CLOSE, Cut.HALF_CLOSE}

    @property
    def stage(self) -> str:
        """Return how far it came, by what it read."""
        return next(stage for stage, word in self.STAGES.items() if word in self._came)

    async def live(self, after: "Victim | None" = None) -> None:
        """Follow the plan, once the other is registered or gone."""
        if after is not None:
            await after.is_known.wait()
        with self._socket:
            self._socket.setblocking(False)  # noqa: FBT003 -- the socket module's
            await asyncio.get_running_loop().sock_connect(self._socket, self._address)
            try:
                await self._say()
                await self._go()
            except ConnectionError:
                self.was_ended = self.waits
            finally:
                self.is_known.set()

    async def _say(self) -> None:
        for step in self.plan.steps:
            await asyncio.get_running_loop().sock_sendall(self._socket, step.data)
            if step.answer and self.plan.is_patient:
                await self._hear(step.answer, step.seconds)
            if b'"REGISTERED"' in self._came:
                self.is_known.set()

    async def _go(self) -> None:
        if self.plan.cut is Cut.RESET:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if self.plan.cut is Cut.HALF_CLOSE:
            self._socket.shutdown(socket.SHUT_WR)
        if self.waits:
            await self._hear(None, PATIENCE_SECONDS)

    async def _hear(self, word: bytes | None, seconds: float) -> None:
        """Read until a word has come, or, with None, until the server closes its side."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while word is None or word not in self._came:
                    data = await asyncio.get_running_loop().sock_recv(self._socket, 1 << 16)
                    if not data:
                        self.was_ended = self.waits
                        return
                    self._came += data
