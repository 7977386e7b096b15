"""Redis: reached as the server reaches it, new enough, fast, writable, keeping what it is given, passing messages on.

Nothing is asked that the server does not ask: a user with no more rights than it needs is enough.
"""

import asyncio
import secrets
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from django.conf import settings

from diagnostics.doctor.clock import Clock
from diagnostics.doctor.finding import Finding, failed, ok, warning

SUBJECT = "redis"
OLDEST = 6  # the first that speaks RESP3, over which commands and messages share a connection
SLOW_MS = 5
QUESTIONS = 5
FULL_SHARE = 0.8
WRITE_AND_DELETE = "redis.call('SET', KEYS[1], 1, 'PX', 1000) redis.call('DEL', KEYS[1])"


class Records(NamedTuple):
    """The records that this version keeps in Redis: the prefix of their keys, and the number of their format.

    `known` is the number that its processes say they know.
    """

    prefix: str
    format: int
    known: int


class RefusedError(Exception):
    """Redis, or the way to it, refused something; `str` says how."""


class Server(Protocol):
    """A connection to Redis, opened with the server's own settings; each step raises `RefusedError`."""

    # What came on channels, oldest first.
    came: list[bytes]

    async def ask(self, *words: str) -> Any:
        """Send a command and return its reply."""

    async def subscribe(self, channel: str) -> None:
        """Subscribe to a channel."""


Connect = Callable[[], AbstractAsyncContextManager[Server]]


def examine(clocks: list[Clock], seconds: float, ours: Records, connect: Connect) -> list[Finding]:
    """Ask Redis for all that the server asks; its clock is added to `clocks`. All of it may take `seconds` twice."""
    if not settings.REDIS_URL:
        return [ok(SUBJECT, "not configured: this is one process, which keeps calls in memory")]
    return asyncio.run(_examine(clocks, seconds, ours, connect))


async def _examine(clocks: list[Clock], seconds: float, ours: Records, connect: Connect) -> list[Finding]:
    findings: list[Finding] = []
    try:
        async with asyncio.timeout(2 * seconds), connect() as server:
            async for finding in _findings(server, clocks, ours):
                findings.append(finding)  # noqa: PERF401  # what was found before an error counts
    except (RefusedError, TimeoutError) as error:
        words = str(error) or type(error).__name__
        findings.append(
            failed(SUBJECT, f"cannot be used ({words}): check REDIS_URL, and that Redis runs and is {OLDEST} or newer")
        )
    return findings


async def _findings(server: Server, clocks: list[Clock], ours: Records) -> AsyncIterator[Finding]:
    about = {name.decode(): value for name, value in (await server.ask("HELLO", "3")).items()}
    yield version(about["version"].decode())
    mode = about["mode"].decode()
    if mode == "sentinel":
        # It knows none of the commands that follow.
        yield failed(SUBJECT, "is a Sentinel: write redis+sentinel://host:26379/name/0 with the primary's name")
        return
    yield _speed(statistics.median([await _timed(server) for _ in range(QUESTIONS)]))
    amiss = list(_role(mode, about.get("role", b"").decode()))
    for finding in amiss:
        yield finding
    if not amiss:
        yield await _writes(server, ours)
    yield await _memory(server)
    async for finding in _formats(server, ours):
        yield finding
    yield await _round_trip(server, ours)
    clocks.append(await _clock(server))


async def _timed(server: Server) -> float:
    begin = time.perf_counter()
    await server.ask("TIME")
    return (time.perf_counter() - begin) * 1000


async def _clock(server: Server) -> Clock:
    begin = time.time()
    whole, micro = await server.ask("TIME")
    end = time.time()
    return Clock("Redis", int(whole) + int(micro) / 1e6 - (begin + end) / 2, end - begin)


def version(number: str) -> Finding:
    """Judge a version such as 7.0.15."""
    if int(number.split(".", maxsplit=1)[0]) < OLDEST:
        return failed(SUBJECT, f"is version {number}: the server needs {OLDEST} or newer")
    return ok(SUBJECT, f"is version {number}")


def _speed(milliseconds: float) -> Finding:
    if milliseconds > SLOW_MS:
        return warning(
            SUBJECT,
            f"answers in {milliseconds:.1f} ms, which every call pays several times: put it into the same region",
        )
    return ok(SUBJECT, f"answers in {milliseconds:.2f} ms")


def _role(mode: str, role: str) -> Iterator[Finding]:
    if mode == "cluster":
        yield failed(SUBJECT, "is a cluster, but a step on a call touches several keys: use a single primary")
    elif role != "master":
        yield failed(SUBJECT, "is a replica, which takes no writes: let REDIS_URL lead to the primary")


async def _writes(server: Server, ours: Records) -> Finding:
    try:
        await server.ask("EVAL", WRITE_AND_DELETE, "1", f"{ours.prefix}:doctor")
    except RefusedError as error:
        return failed(SUBJECT, f"refuses what the server writes ({error}): docs/operations.md says what that means")
    return ok(SUBJECT, "takes what the server writes")


async def _memory(server: Server) -> Finding:
    try:
        text: bytes = await server.ask("INFO", "memory")
    except RefusedError:
        return ok(SUBJECT, "lets this user not look into its memory: see that maxmemory-policy is noeviction")
    info = dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
    policy, most, used = info.get("maxmemory_policy"), int(info.get("maxmemory", 0)), int(info.get("used_memory", 0))
    if policy != "noeviction":
        return warning(
            SUBJECT, f"throws calls away when its memory is full: set maxmemory-policy to noeviction (it is {policy})"
        )
    if most and used > most * FULL_SHARE:
        return warning(
            SUBJECT, f"has {used / most:.0%} of its memory in use: raise maxmemory before it takes no writes"
        )
    return ok(SUBJECT, "keeps what it is given (noeviction)")


async def _formats(server: Server, ours: Records) -> AsyncIterator[Finding]:
    """Judge the format of the records, and those that the processes know."""
    prefix, number, known_here = ours
    records: bytes | None = await server.ask("GET", f"{prefix}:format")
    known: dict[bytes, bytes] = await server.ask("HGETALL", f"{prefix}:formats")
    if records is not None and records.decode() != str(number):
        yield failed(
            SUBJECT,
            f"holds records of format {records.decode()}, which this version does not know (it knows {number}): run "
            f"the version that wrote them, or stop every process and delete the keys that begin with {prefix}",
        )
    others = sorted({value.decode() for value in known.values()} - {str(known_here)})
    if others:
        yield warning(
            SUBJECT,
            f"is shared with processes of another version (format {', '.join(others)}, and {known_here} here): let "
            "none of them stay longer than a deploy takes",
        )


async def _round_trip(server: Server, ours: Records) -> Finding:
    channel, word = f"{ours.prefix}:doctor:{secrets.token_hex(8)}", secrets.token_hex(8)
    try:
        await server.subscribe(channel)
        begin = time.perf_counter()
        await server.ask("PUBLISH", channel, word)
    except RefusedError as error:
        return failed(SUBJECT, f"passes no messages on ({error}): docs/settings.md names the rights that are needed")
    # What is published comes before the reply.
    if server.came != [word.encode()]:
        return failed(SUBJECT, "did not pass a published message on: look into its log")
    return ok(SUBJECT, f"passes a published message on in {(time.perf_counter() - begin) * 1000:.2f} ms")
