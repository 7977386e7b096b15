"""A client as apps are built: it comes back after every close, and says again what may not have arrived."""

import asyncio
import contextlib
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

Message = dict[str, Any]

# PROTOCOL.md, "Connection life".
MIN_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 1.0, 30.0
SUPERSEDED = 4409
HEARTBEAT_SECONDS = 25
# What was sent so shortly before a close may have crossed it.
IN_DOUBT_SECONDS = 0.5
OPEN_SECONDS = 15
POLL_SECONDS = 0.01


class Phone:
    """One client ID; `doors` are the URLs that take connections now, which others may change."""

    def __init__(self, client_id: str, doors: list[str], *, door: str | None = None) -> None:
        """Nothing is connected before `start`; `door` is where it connects first."""
        self.id = client_id
        self.doors = doors
        self.registered = asyncio.Event()
        self.heard: list[tuple[str, Message]] = []
        # The numbers of the candidates that came, by call.
        self.candidates: dict[str, list[int]] = defaultdict(list)
        self.closes: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.repeated = 0
        self.away_seconds: list[float] = []
        self.stays_away = False
        self._first_door = door
        self._connection: ClientConnection | None = None
        self._sent: list[tuple[float, str, Message]] = []
        self._doubtful: list[tuple[str, Message]] = []
        self._task: asyncio.Task[None] | None = None
        self._beat: asyncio.TimerHandle | None = None

    async def start(self) -> Self:
        """Connect and register; from here on it lives by itself."""
        self._task = asyncio.create_task(self._live())
        async with asyncio.timeout(OPEN_SECONDS * 2):
            await self.registered.wait()
        return self

    async def stop(self) -> None:
        """Close cleanly."""
        self.stays_away = True
        if self._connection is not None and self.registered.is_set():
            await self._connection.close()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def say(self, message_type: str, **payload: Any) -> bool:
        """Send a message; False when there is no connection."""
        connection = self._connection
        if connection is None or not self.registered.is_set():
            return False
        now = time.monotonic()
        if self._sent and self._sent[0][0] < now - 2 * IN_DOUBT_SECONDS:
            self._sent = [entry for entry in self._sent if entry[0] >= now - IN_DOUBT_SECONDS]
        self._sent.append((now, message_type, payload))
        try:
            await connection.send(json.dumps({"type": message_type, "payload": payload}))
        except ConnectionClosed:
            return False
        return True

    def count(self, message_type: str, call_id: str) -> int:
        """Count how often a message of this type has come for a call."""
        return sum(kind == message_type and payload.get("callId") == call_id for kind, payload in self.heard)

    async def say_when_back(self, message_type: str, **payload: Any) -> None:
        """Send a message as soon as there is a connection."""
        while not await self.say(message_type, **payload):
            await asyncio.sleep(POLL_SECONDS)
            await self.registered.wait()

    async def _live(self) -> None:
        backoff = MIN_BACKOFF_SECONDS
        left_at = time.monotonic()
        while not self.stays_away:
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                async with connect(
                    self._first_door or random.choice(self.doors),  # noqa: S311 -- a load balancer's choice
                    compression=None,
                    ping_interval=None,
                    open_timeout=OPEN_SECONDS,
                    close_timeout=1,
                ) as connection:
                    if await self._register(connection):
                        backoff = MIN_BACKOFF_SECONDS
                        self.away_seconds.append(time.monotonic() - left_at)
                        with contextlib.suppress(ConnectionClosed):
                            await self._listen(connection)
                        left_at = time.monotonic()
                        self._note_close(connection.close_code)
            self._first_door = None
            await asyncio.sleep(backoff * random.uniform(0.5, 1))  # noqa: S311 -- jitter
            backoff = min(2 * backoff, MAX_BACKOFF_SECONDS)

    async def _register(self, connection: ClientConnection) -> bool:
        await connection.send(json.dumps({"type": "REGISTER", "payload": {"clientId": self.id}}))
        answer = json.loads(await connection.recv())
        if answer["type"] != "REGISTERED":
            self.errors[answer["payload"]["code"]] += 1
            return False
        self._connection = connection
        self.registered.set()
        doubtful, self._doubtful = self._doubtful, []
        self.repeated += len(doubtful)
        for message_type, payload in doubtful:
            await self.say(message_type, **payload)
        return True

    def _note_close(self, code: int | None) -> None:
        if not self.stays_away and code is not None:
            self.closes[code] += 1
            self.stays_away = code == SUPERSEDED

    async def _listen(self, connection: ClientConnection) -> None:
        beating = asyncio.create_task(self._beat_on(connection))
        try:
            async for frame in connection:
                message = json.loads(frame)
                self._hear(message["type"], message["payload"])
        finally:
            beating.cancel()
            self.registered.clear()
            limit = time.monotonic() - IN_DOUBT_SECONDS
            self._doubtful = [(kind, payload) for at, kind, payload in self._sent if at >= limit]
            self._sent = []

    async def _beat_on(self, connection: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(HEARTBEAT_SECONDS * random.uniform(0.8, 1))  # noqa: S311 -- spread
                await connection.send('{"type":"HEARTBEAT"}')

    def _hear(self, message_type: str, payload: Message) -> None:
        if message_type == "HEARTBEAT_ACK":
            return
        if message_type == "ERROR":
            self.errors[payload["code"]] += 1
        elif message_type == "ICE_CANDIDATE":
            self.candidates[payload["callId"]].append(int(payload["candidate"]))
            return
        self.heard.append((message_type, payload))


async def until(look: Callable[[], object], seconds: float) -> float | None:
    """Wait until `look()` is true; returns how long that took, in seconds, or None when it did not come about."""
    begin = time.monotonic()
    while not look():
        if time.monotonic() - begin > seconds:
            return None
        await asyncio.sleep(POLL_SECONDS)
    return time.monotonic() - begin
