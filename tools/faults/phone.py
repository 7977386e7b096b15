"""A client as apps are built: it comes back after every close, and says again what may not have arrived."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from random import choice
from typing import Self, TypeAlias

from securecall_client import (
    BackOff,
    CallAccepted,
    CallEnded,
    CallRejected,
    Client,
    ClientMessage,
    ClosedError,
    Disconnected,
    Error,
    Event,
    IceCandidate,
    IncomingCall,
    Loss,
    Registered,
    RequestError,
)

# What was sent so shortly before a close may have crossed it.
IN_DOUBT_SECONDS = 0.5
OPEN_SECONDS = 15
POLL_SECONDS = 0.01
BACK_OFF = BackOff()

Heard: TypeAlias = IncomingCall | CallAccepted | CallRejected | CallEnded | Error


class Phone:
    """One client ID; `doors` are the URLs that accept connections now, a list that changes."""

    def __init__(self, client_id: str, doors: list[str], *, door: str | None = None) -> None:
        """Nothing is connected before `start`; `door` is where it connects first."""
        self.id = client_id
        self.doors = doors
        self.registered = asyncio.Event()
        self.heard: list[Heard] = []
        # The numbers of the candidates that came, by call.
        self.candidates: dict[str, list[int]] = defaultdict(list)
        self.closes: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.repeated = 0
        self.away_seconds: list[float] = []
        self.stays_away = False
        self._first_door = door
        self._left_at = time.monotonic()
        self._sent: list[tuple[float, ClientMessage]] = []
        self._doubtful: list[ClientMessage] = []
        self._client = Client(self._door, client_id, reconnect=self, timeout=OPEN_SECONDS, open_timeout=OPEN_SECONDS)
        self._listening: asyncio.Task[None] | None = None

    async def start(self) -> Self:
        """Connect and register; from here on it lives by itself."""
        await self._client.__aenter__()
        self._listening = asyncio.create_task(self._listen())
        await self.registered.wait()
        return self

    async def stop(self) -> None:
        """Close cleanly."""
        self.stays_away = True
        await self._client.close()
        if self._listening is not None:
            await self._listening

    async def say(self, message: ClientMessage) -> bool:
        """Send a message; False when there is no connection."""
        return self.registered.is_set() and await self._say(message)

    async def say_when_back(self, message: ClientMessage) -> None:
        """Send a message as soon as there is a connection."""
        while not await self.say(message):
            await asyncio.sleep(POLL_SECONDS)
            await self.registered.wait()

    def count(self, kind: type[Heard], call_id: str) -> int:
        """Count how often a message of this type has come for a call."""
        return sum(isinstance(message, kind) and message.call_id == call_id for message in self.heard)

    def delay_seconds(self, loss: Loss, /) -> float | None:
        """Back off, unless it stays away."""
        return None if self.stays_away else BACK_OFF.delay_seconds(loss)

    def _door(self) -> str:
        door, self._first_door = self._first_door or choice(self.doors), None  # noqa: S311 -- a load balancer's choice
        return door

    async def _say(self, message: ClientMessage) -> bool:
        now = time.monotonic()
        if self._sent and self._sent[0][0] < now - 2 * IN_DOUBT_SECONDS:
            self._sent = [entry for entry in self._sent if entry[0] >= now - IN_DOUBT_SECONDS]
        self._sent.append((now, message))
        try:
            await self._client.send(message)
        except ClosedError:
            return False
        return True

    async def _listen(self) -> None:
        async for event in self._client:
            await self._hear(event)

    async def _hear(self, event: Event) -> None:
        match event:
            case Registered():
                await self._come_back()
            case Disconnected():
                self._leave(event.loss)
            case IceCandidate(call_id=call_id, candidate=candidate):
                self.candidates[call_id].append(int(str(candidate)))
            case Error():
                self.errors[event.code] += 1
                self.heard.append(event)
            case IncomingCall() | CallAccepted() | CallRejected() | CallEnded():
                self.heard.append(event)

    async def _come_back(self) -> None:
        self.away_seconds.append(time.monotonic() - self._left_at)
        doubtful, self._doubtful = self._doubtful, []
        self.repeated += len(doubtful)
        # Before anything new is said.
        for message in doubtful:
            await self._say(message)
        self.registered.set()

    def _leave(self, loss: Loss) -> None:
        """Count a lost connection, or the refusal of an attempt to connect."""
        if isinstance(loss.error, RequestError):
            self.errors[loss.error.code] += 1
        if not self.registered.is_set():
            return
        self.registered.clear()
        self._left_at = time.monotonic()
        if not self.stays_away and loss.close_code is not None:
            self.closes[loss.close_code] += 1
        limit = self._left_at - IN_DOUBT_SECONDS
        self._doubtful = [message for at, message in self._sent if at >= limit]
        self._sent = []


async def until(look: Callable[[], object], seconds: float) -> float | None:
    """Wait until `look()` is true; returns how long that took, in seconds, or None when it did not come about."""
    begin = time.monotonic()
    while not look():
        if time.monotonic() - begin > seconds:
            return None
        await asyncio.sleep(POLL_SECONDS)
    return time.monotonic() - begin
