"""Redis: reachable, new enough, fast, keeping what it is given, and passing messages on."""

import secrets
import statistics
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.conf import settings
from redis import Redis, RedisError

from diagnostics.doctor.clock import Clock
from diagnostics.doctor.finding import Finding, failed, ok, warning

SUBJECT = "redis"
OLDEST = 6  # the first that speaks RESP3, over which commands and messages share a connection
SLOW_MS = 5
PINGS = 5
FULL_SHARE = 0.8


class Records(NamedTuple):
    """The records that this version keeps in Redis: the prefix of their keys, and the number of their format."""

    prefix: str
    format: int


def examine(clocks: list[Clock], seconds: float, ours: Records) -> Iterator[Finding]:
    """Ask Redis for all that the server asks; its clock is added to `clocks`. Each answer may take `seconds`."""
    if not settings.REDIS_URL:
        yield ok(SUBJECT, "not configured: this is one process, which keeps calls in memory")
        return
    # The older protocol, so that an older Redis can say which it is.
    client = Redis.from_url(
        settings.REDIS_URL, protocol=2, socket_timeout=seconds, socket_connect_timeout=seconds, decode_responses=True
    )
    try:
        with client:
            yield from _examine(client, clocks, seconds, ours)
    except RedisError as error:
        yield failed(SUBJECT, f"cannot be used ({type(error).__name__}: {error}): check REDIS_URL, and that Redis runs")


def _examine(client: "Redis", clocks: list[Clock], seconds: float, ours: Records) -> Iterator[Finding]:
    client.ping()
    times = [_timed(client) for _ in range(PINGS)]
    info: dict[str, Any] = client.info()
    yield version(str(info.get("redis_version", "0")))
    yield _speed(statistics.median(times))
    yield from _role(info)
    yield _memory(info)
    yield from _formats(client, ours)
    yield _round_trip(client, seconds)
    begin = time.time()
    whole, micro = client.time()
    end = time.time()
    clocks.append(Clock("Redis", whole + micro / 1e6 - (begin + end) / 2, end - begin))


def _timed(client: "Redis") -> float:
    begin = time.perf_counter()
    client.ping()
    return (time.perf_counter() - begin) * 1000


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


def _role(info: dict[str, Any]) -> Iterator[Finding]:
    if info.get("cluster_enabled"):
        yield failed(SUBJECT, "is a cluster, but a step on a call touches several keys: use a single primary")
    if info.get("role") == "slave":
        yield failed(SUBJECT, "is a replica, which takes no writes: let REDIS_URL lead to the primary")


def _memory(info: dict[str, Any]) -> Finding:
    policy, most, used = info.get("maxmemory_policy"), info.get("maxmemory", 0), info.get("used_memory", 0)
    if policy != "noeviction":
        return warning(
            SUBJECT, f"throws calls away when its memory is full: set maxmemory-policy to noeviction (it is {policy})"
        )
    if most and used > most * FULL_SHARE:
        return warning(
            SUBJECT, f"has {used / most:.0%} of its memory in use: raise maxmemory before it takes no writes"
        )
    return ok(SUBJECT, "keeps what it is given (noeviction)")


def _formats(client: "Redis", ours: Records) -> Iterator[Finding]:
    """Judge the format of the records, and those that the processes know."""
    prefix, number = ours
    records: Any = client.get(f"{prefix}:format")
    known: Any = client.hvals(f"{prefix}:formats")
    if records not in {None, str(number)}:
        yield failed(
            SUBJECT,
            f"holds records of format {records}, which this version does not know (it knows {number}): run the version "
            f"that wrote them, or stop every process and delete the keys that begin with {prefix}",
        )
    others = sorted(set(known) - {str(number)})
    if others:
        yield warning(
            SUBJECT,
            f"is shared with processes of another version (format {', '.join(others)}, and {number} here): let none of "
            "them stay longer than a deploy takes",
        )


def _round_trip(client: "Redis", seconds: float) -> Finding:
    channel, word = f"securecall:doctor:{secrets.token_hex(8)}", secrets.token_hex(8)
    with client.pubsub() as listening:  # type: ignore[no-untyped-call]  # the library's types end here
        listening.subscribe(channel)
        confirmed = listening.get_message(timeout=seconds)
        begin = time.perf_counter()
        client.publish(channel, word)
        came = listening.get_message(timeout=seconds) if confirmed else None
    if came is None or came["data"] != word:
        return failed(SUBJECT, f"did not pass a published message on within {seconds:g} s: look into its log")
    return ok(SUBJECT, f"passes a published message on in {(time.perf_counter() - begin) * 1000:.2f} ms")
