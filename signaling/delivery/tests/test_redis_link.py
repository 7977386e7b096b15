import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import redis

from signaling.delivery.redis_link import RedisLink
from signaling.delivery.redis_protocol import REPLY_TIMEOUT_SECONDS
from signaling.protocol.errors import UnavailableError
from signaling.tests.redis_layers import PATIENCE_SECONDS, until
from tests.support.services import RedisServer

Came = list[tuple[str, bytes]]


class Preparing:
    """Counts connects, and takes a step after each."""

    def __init__(self, step: Callable[[], Awaitable[None]] | None = None) -> None:
        self.connects = 0
        self.step = step

    async def reconnected(self) -> None:
        """Take the step."""
        self.connects += 1
        if self.step is not None:
            await self.step()

    def disconnected(self) -> None:
        """Note nothing."""


@asynccontextmanager
async def linked(url: str, came: Came | None = None, listener: Preparing | None = None) -> AsyncIterator[RedisLink]:
    """Connect while the block runs; what is pushed goes into `came`."""
    pushed: Came = [] if came is None else came
    link = RedisLink(url, lambda channel, data: pushed.append((channel, data)))
    await link.start(listener or Preparing())
    try:
        yield link
    finally:
        await link.stop()


def process_of(server: RedisServer) -> int:
    """The process ID of a Redis."""
    with redis.Redis(port=server.port) as client:
        process_id: int = client.info("server")["process_id"]
        return process_id


async def test_call_returns_the_reply(redis_url: str, prefix: str) -> None:
    async with linked(redis_url) as link:
        assert link.is_up
        assert await link.call("SET", prefix, b"\x00\xff\r\n") == b"OK"
        assert await link.call("GET", prefix) == b"\x00\xff\r\n"
        assert await link.call("GET", f"{prefix}-unknown") is None
        assert await link.call("INCRBY", f"{prefix}-number", 7) == 7


async def test_call_that_redis_refuses_raises_and_goes_on(redis_url: str, prefix: str) -> None:
    async with linked(redis_url) as link:
        refused = link.call("INCR", prefix, "too", "many")
        following = link.call("ECHO", "still here")
        with pytest.raises(Exception, match="wrong number of arguments"):
            await refused
        assert await following == b"still here"


async def test_calls_of_many_tasks_get_their_own_replies_in_order(redis_url: str, prefix: str) -> None:
    done: list[int] = []

    async def push(link: RedisLink, number: int) -> None:
        assert await link.call("ECHO", str(number)) == str(number).encode()
        await link.call("RPUSH", prefix, number)
        done.append(number)

    async with linked(redis_url) as link:
        await asyncio.gather(*(push(link, number) for number in range(2000)))
        assert done == list(range(2000))
        assert await link.call("LRANGE", prefix, 0, -1) == [str(number).encode() for number in range(2000)]


async def test_call_given_up_by_its_caller_does_not_shift_the_replies(redis_url: str) -> None:
    async with linked(redis_url) as link:
        calls = [link.call("ECHO", str(number)) for number in range(100)]
        for call in calls[::2]:
            call.cancel()
        assert await asyncio.gather(*calls[1::2]) == [str(number).encode() for number in range(1, 100, 2)]


async def test_large_values_come_whole(redis_url: str) -> None:
    value = os.urandom(3_000_000)
    async with linked(redis_url) as link:
        assert await asyncio.gather(*(link.call("ECHO", value) for _ in range(3))) == [value] * 3


async def test_subscribe_returns_when_nothing_can_be_missed(redis_url: str, prefix: str) -> None:
    came: Came = []
    async with linked(redis_url, came) as link, linked(redis_url) as publisher:
        for number in range(200):
            channel = f"{prefix}-{number}"
            await link.subscribe(channel)
            assert await publisher.call("PUBLISH", channel, number) == 1
        await link.call("PING")
        assert came == [(f"{prefix}-{number}", str(number).encode()) for number in range(200)]


async def test_subscribe_of_many_channels_returns_after_all_of_them(redis_url: str, prefix: str) -> None:
    channels = [f"{prefix}-{number}" for number in range(500)]
    async with linked(redis_url) as link:
        await link.subscribe(*channels)
        counts = await link.call("PUBSUB", "NUMSUB", *channels)
        assert set(counts.values() if isinstance(counts, dict) else counts[1::2]) == {1}
        await link.unsubscribe(*channels[1:])
        assert await link.call("PUBSUB", "CHANNELS", f"{prefix}*") == [channels[0].encode()]


async def test_unsubscribe_delivers_what_was_on_its_way(redis_url: str, prefix: str) -> None:
    came: Came = []
    async with linked(redis_url, came) as link, linked(redis_url) as publisher:
        await link.subscribe(prefix)
        published = [publisher.call("PUBLISH", prefix, number) for number in range(100)]
        await published[0]
        await link.unsubscribe(prefix)
        reached = sum(await asyncio.gather(*published))
        assert [data for _, data in came] == [str(number).encode() for number in range(reached)]


async def test_unsubscribe_from_a_channel_that_was_never_subscribed_returns(redis_url: str, prefix: str) -> None:
    async with linked(redis_url) as link:
        await link.unsubscribe(prefix, f"{prefix}-2")
        assert await link.call("ECHO", "in step") == b"in step"


async def test_reply_says_that_every_push_before_it_was_seen(redis_url: str, prefix: str) -> None:
    came: Came = []
    async with linked(redis_url, came) as link:
        await link.subscribe(prefix)
        for number in range(1, 300):
            assert await link.call("PUBLISH", prefix, number) == 1
            assert len(came) == number


async def test_call_without_redis_is_unavailable_at_once(own_redis: RedisServer) -> None:
    await asyncio.to_thread(own_redis.stop)
    async with linked(own_redis.url) as link:
        assert not link.is_up
        with pytest.raises(UnavailableError):
            await link.call("PING")
        for change in (link.subscribe, link.unsubscribe):
            with pytest.raises(UnavailableError):
                await change("channel")


async def test_calls_under_way_fail_when_redis_goes(own_redis: RedisServer) -> None:
    async with linked(own_redis.url) as link:
        waiting = [link.call("BLPOP", "nothing", 0) for _ in range(3)]
        subscribing = asyncio.ensure_future(link.subscribe("channel"))
        await asyncio.sleep(0)
        own = process_of(own_redis)
        os.kill(own, signal.SIGKILL)
        outcomes = await asyncio.gather(*waiting, subscribing, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [UnavailableError] * 4


async def test_link_heals_when_redis_is_back(own_redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    came: Came = []

    def said() -> list[str]:
        return [record.getMessage() for record in caplog.records if record.name == "signaling.delivery.redis_link"]

    def has_said(lines: int) -> Callable[[], bool]:
        return lambda: len(said()) == lines

    listener = Preparing()
    async with linked(own_redis.url, came, listener) as link:
        listener.step = lambda: link.subscribe("channel")
        for round_number in range(2):
            await asyncio.to_thread(own_redis.stop)
            await until(has_said(2 * round_number + 1))
            assert not link.is_up
            await asyncio.to_thread(own_redis.start)
            await until(lambda: link.is_up)
            assert listener.connects == round_number + 2
            assert await link.call("PUBLISH", "channel", round_number) == 1
    assert came == [("channel", b"0"), ("channel", b"1")]
    assert ["away" in line for line in said()] == [True, False] * 2


async def test_link_heals_when_its_connection_is_killed(redis_url: str) -> None:
    listener = Preparing()
    async with linked(redis_url, listener=listener) as link, linked(redis_url) as operator:
        number = await link.call("CLIENT", "ID")
        assert await operator.call("CLIENT", "KILL", "ID", number) == 1
        await until(lambda: listener.connects == 2 and link.is_up)
        assert await link.call("CLIENT", "ID") > number


async def test_listener_prepares_before_the_link_is_up(redis_url: str) -> None:
    states: list[bool] = []
    link = RedisLink(redis_url, lambda *_: None)

    async def note() -> None:
        states.append(link.is_up)
        assert await link.call("PING") == b"PONG"

    await link.start(Preparing(note))
    assert states == [False]
    assert link.is_up
    await link.stop()


async def test_link_started_before_redis_connects_later(own_redis: RedisServer) -> None:
    await asyncio.to_thread(own_redis.stop)
    async with linked(own_redis.url) as link:
        await asyncio.to_thread(own_redis.start)
        await until(lambda: link.is_up)
        assert await link.call("PING") == b"PONG"


async def test_link_started_twice_connects_once(redis_url: str) -> None:
    async with linked(redis_url) as link:
        number = await link.call("CLIENT", "ID")
        await asyncio.gather(*(link.start(Preparing()) for _ in range(5)))
        assert await link.call("CLIENT", "ID") == number


async def test_link_tries_again_when_its_listener_fails(own_redis: RedisServer) -> None:
    attempts: list[int] = []
    link = RedisLink(own_redis.url, lambda *_: None)

    async def fail_twice() -> None:
        attempts.append(1)
        if len(attempts) < 3:
            await link.call("NO", "SUCH", "COMMAND")

    await link.start(Preparing(fail_twice))
    try:
        await until(lambda: link.is_up)
        assert len(attempts) == 3
    finally:
        await link.stop()


async def test_redis_that_hangs_fails_calls_and_recovers(own_redis: RedisServer) -> None:
    process_id = process_of(own_redis)
    async with linked(own_redis.url) as link:
        await link.call("SET", "key", "value")
        os.kill(process_id, signal.SIGSTOP)
        try:
            began = time.monotonic()
            outcomes = await asyncio.gather(link.call("GET", "key"), link.subscribe("channel"), return_exceptions=True)
            took = time.monotonic() - began
            assert [type(outcome) for outcome in outcomes] == [UnavailableError] * 2
            assert REPLY_TIMEOUT_SECONDS * 0.4 < took < REPLY_TIMEOUT_SECONDS * 2.1
            began = time.monotonic()
            with pytest.raises(UnavailableError):
                await link.call("GET", "key")
            assert time.monotonic() - began < 0.5
        finally:
            os.kill(process_id, signal.SIGCONT)
        await until(lambda: link.is_up)
        assert await link.call("GET", "key") == b"value"


async def test_link_that_is_idle_stays_up(own_redis: RedisServer) -> None:
    listener = Preparing()
    async with linked(own_redis.url) as link, linked(own_redis.url, listener=listener) as other:
        await link.subscribe("channel")
        number = await link.call("CLIENT", "ID")
        # Silence is no fault of an idle connection.
        async with asyncio.timeout(PATIENCE_SECONDS):
            with pytest.raises(UnavailableError):
                await other.call("BLPOP", "nothing", 0)
        assert await link.call("CLIENT", "ID") == number
        await until(lambda: listener.connects == 2 and other.is_up)


async def test_url_names_password_user_and_database(own_redis: RedisServer) -> None:
    async with linked(own_redis.url) as operator:
        await operator.call("ACL", "SETUSER", "somebody", "on", ">p@ss:w/rd", "~*", "&*", "+@all")
        await operator.call("CONFIG", "SET", "requirepass", "secret")
    address = f"127.0.0.1:{own_redis.port}"
    async with linked(f"redis://:secret@{address}/3") as link:
        await link.call("SET", "key", "in 3")
        assert "db=3" in (await link.call("CLIENT", "INFO")).decode()
    async with linked(f"redis://somebody:p%40ss%3Aw%2Frd@{address}/3") as link:
        assert await link.call("ACL", "WHOAMI") == b"somebody"
        assert await link.call("GET", "key") == b"in 3"
    async with linked(f"redis://:secret@{address}") as link:
        assert await link.call("GET", "key") is None


async def test_stop_leaves_no_tasks_and_no_connection(
    redis_url: str, tasks_left: Callable[[], set[str]], prefix: str
) -> None:
    async with linked(redis_url) as operator:
        async with linked(redis_url) as link:
            await link.call("CLIENT", "SETNAME", prefix)
            waiting = link.call("BLPOP", prefix, 0)
        with pytest.raises(UnavailableError):
            await waiting
        with pytest.raises(UnavailableError):
            await link.call("PING")
        assert not link.is_up
        async with asyncio.timeout(PATIENCE_SECONDS):
            while prefix in (await operator.call("CLIENT", "LIST")).decode():
                await asyncio.sleep(0)
        await link.stop()
    assert tasks_left() == set()


async def test_stop_while_redis_is_away_leaves_no_tasks(
    own_redis: RedisServer, tasks_left: Callable[[], set[str]]
) -> None:
    await asyncio.to_thread(own_redis.stop)
    async with linked(own_redis.url):
        pass
    assert tasks_left() == set()


async def test_stop_while_connecting_leaves_no_connection() -> None:
    closed: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    asked = asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"HELLO")
        asked.set()
        closed.set_result(await reader.read())
        writer.close()

    server = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        link = RedisLink(f"redis://127.0.0.1:{port}/0", lambda *_: None)
        starting = asyncio.create_task(link.start(Preparing()))
        await asked.wait()
        await link.stop()
        await starting
        async with asyncio.timeout(REPLY_TIMEOUT_SECONDS / 2):
            await closed


async def test_refused_password_leaves_no_connections_behind(own_redis: RedisServer) -> None:
    async with linked(own_redis.url) as operator:
        await operator.call("CONFIG", "SET", "requirepass", "secret")
        async with linked(f"redis://:wrong@127.0.0.1:{own_redis.port}/0") as link:
            assert not link.is_up
            tried = await connections_so_far(operator)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await connections_so_far(operator) < tried + 3:
                    await asyncio.sleep(0.01)
            # The operator's own and the last attempt's.
            listed: bytes = await operator.call("CLIENT", "LIST")
            assert len(listed.splitlines()) <= 2


async def connections_so_far(operator: RedisLink) -> int:
    stats: bytes = await operator.call("INFO", "stats")
    fields = dict(line.split(":", 1) for line in stats.decode().splitlines() if ":" in line)
    return int(fields["total_connections_received"])


async def test_link_survives_a_bug_in_its_listener(redis_url: str, prefix: str) -> None:
    link = RedisLink(redis_url, lambda *_: None)
    attempts: list[int] = []

    async def broken_once() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise RuntimeError(prefix)

    await link.start(Preparing(broken_once))
    try:
        async with asyncio.timeout(1):
            await until(lambda: link.is_up)
    finally:
        with contextlib.suppress(RuntimeError):
            await link.stop()


async def test_link_survives_a_bug_in_a_delivery(redis_url: str, prefix: str) -> None:
    came: list[bytes] = []

    def deliver(_channel: str, data: bytes) -> None:
        came.append(data)
        if data == b"broken":
            raise RuntimeError(prefix)

    link = RedisLink(redis_url, deliver)
    await link.start(Preparing())
    try:
        await link.subscribe(prefix)
        number = await link.call("CLIENT", "ID")
        await asyncio.gather(*(link.call("PUBLISH", prefix, data) for data in ("broken", "whole")))
        assert came == [b"broken", b"whole"]
        assert await link.call("CLIENT", "ID") == number
    finally:
        await link.stop()
