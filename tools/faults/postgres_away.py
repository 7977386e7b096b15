"""Postgres is away for a while, or hangs: calls go on, and the directory says that it cannot."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from securecall_client import Client, NoReconnect, PkdRegister, PkdResult, RequestError
from tests.support.people import Person
from tests.support.servers import environment, migrate, server
from tests.support.services import postgres_server
from tools.faults.findings import Finding, all_of, at_most, noted
from tools.faults.phone import until
from tools.faults.system import RAISED, new_id

CLIENTS = 10
ANSWER_SECONDS = 5.5
PATIENCE_SECONDS = 20
SPEAK_SECONDS = 0.05
GRANTED = "PKD_RESULT"


async def postgres_away(seconds: float) -> list[Finding]:
    """Stop it for so long, and then let it hang for as long."""
    with postgres_server() as postgres, TemporaryDirectory(prefix="securecall-") as name:
        env = {"DATABASE_URL": postgres.url}
        migrate(environment(Path(name) / "unused.sqlite3", env))
        # A client asks more often here than it may.
        free = {"LIMIT_PKD_LOOKUPS_PER_MINUTE": "0", "LIMIT_PKD_REGISTERS_PER_MINUTE": "0"}
        with server(env=RAISED | free | env) as running:
            url = running.ws_url
            return [
                *await _away(url, "stopped", seconds, postgres.stop, postgres.start),
                *await _away(url, "hanging", seconds, postgres.hang, postgres.go_on),
            ]


async def _away(
    url: str, how: str, seconds: float, take: Callable[[], None], give_back: Callable[[], None]
) -> list[Finding]:
    async with AsyncExitStack() as stack:
        caller, callee = [
            await (await stack.enter_async_context(Person(url, new_id("client")))).registers() for _ in range(2)
        ]
        publishers = [
            _Publisher(
                await stack.enter_async_context(
                    Client(url, new_id("client"), reconnect=NoReconnect(), timeout=PATIENCE_SECONDS)
                )
            )
            for _ in range(CLIENTS - 2)
        ]
        call_id = await caller.talks_to(callee)
        publishing = [asyncio.create_task(publisher.publish_on()) for publisher in publishers]
        await asyncio.sleep(0.5)
        take()
        hops = 0
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            await caller.reaches(callee, call_id)
            hops += 1
            await asyncio.sleep(SPEAK_SECONDS)
        # Not in a thread, with whose end the kernel would end what it started.
        give_back()
        succeeded = _granted(publishers)
        back = await until(lambda: _granted(publishers) > succeeded, PATIENCE_SECONDS)
        for publisher in publishers:
            publisher.is_over = True
        await asyncio.gather(*publishing)
        right = sum([await publisher.is_found() for publisher in publishers])
    answers = sum((publisher.answers for publisher in publishers), Counter[str]())
    granted, refused = answers[GRANTED], answers["RATE_LIMITED"]
    return [
        noted(f"Postgres {how} for", f"{seconds:g} s, {hops:,} messages of a call meanwhile, each delivered"),
        noted("Publications answered with PKD_RESULT, with RATE_LIMITED", f"{granted:,}, {refused:,}"),
        at_most("Other answers", answers.total() - granted - refused, 0),
        at_most("The slowest answer", max(publisher.slowest for publisher in publishers), ANSWER_SECONDS, "s"),
        at_most("Publications succeed again after", back, ANSWER_SECONDS, "s"),
        all_of("Keys in the directory that are the last ones answered", right, len(publishers)),
    ]


class _Publisher:
    """Publishes one key after the other, each once, and keeps count of the answers."""

    def __init__(self, client: Client) -> None:
        self.answers: Counter[str] = Counter()
        self.slowest = 0.0
        self.is_over = False
        self._client = client
        self._published: str | None = None

    async def publish_on(self) -> None:
        number = 0
        while not self.is_over:
            number += 1
            begin = time.monotonic()
            answer = await self._publish(f"key {number}")
            self.slowest = max(self.slowest, time.monotonic() - begin)
            self.answers[answer] += 1
            await asyncio.sleep(0.1)

    async def _publish(self, key: str) -> str:
        try:
            await self._client.request(PkdRegister(self._client.id, key), PkdResult)
        except RequestError as error:
            return error.code
        self._published = key
        return GRANTED

    async def is_found(self) -> bool:
        """Return whether the key that was answered last is the one in the directory."""
        return await self._client.look_up_key(self._client.id) == self._published


def _granted(publishers: list[_Publisher]) -> int:
    return sum(publisher.answers[GRANTED] for publisher in publishers)
