import asyncio

import pytest

from signaling.delivery.redis_link import RedisLink
from signaling.delivery.redis_refusals import QUIET_SECONDS, UNWRITABLE_QUIET_SECONDS, Refusals, RefusedError
from signaling.delivery.tests.test_redis_link import Came, Preparing, linked
from signaling.protocol.errors import UnavailableError
from signaling.tests.clock import Clock
from signaling.tests.redis_layers import layer_process, until
from tests.support.services import RedisServer, redis_server
from tests.support.services.process import free_port

MISCONF = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk."


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.startswith("signaling.delivery")]


def test_refusals_tell_the_first_of_a_kind_and_its_end(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    refusals = Refusals(clock)
    for _ in range(3):
        refusals.note(RefusedError(MISCONF))
        refusals.note(RefusedError("NOPERM No channels"))
    assert not refusals.is_writable
    clock.move(UNWRITABLE_QUIET_SECONDS - 0.1)
    refusals.note_write()
    assert not refusals.is_writable
    clock.move(0.2)
    refusals.note_write()
    assert refusals.is_writable
    clock.move(QUIET_SECONDS)
    refusals.note_write()
    assert said(caplog) == [
        f"Redis refuses commands ({MISCONF}); what needs them is answered with RATE_LIMITED",
        "Redis refuses commands (NOPERM No channels); what needs them is answered with RATE_LIMITED",
        "Redis refuses no more commands with MISCONF",
        "Redis refuses no more commands with NOPERM",
    ]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            "ERR Error running script (call to f_1): @user_script:1: @user_script: 1: -READONLY You can't write.",
            "READONLY You can't write.",
        ),
        ("ERR unknown command 'PUBLISH', with args beginning with: 'alice' 'v=0' ", "ERR unknown command 'PUBLISH'"),
        ("MOVED 3999 192.0.2.1:6381", "MOVED"),
    ],
)
def test_words_name_the_kind_and_nothing_that_was_sent(error: str, words: str) -> None:
    assert str(RefusedError(error)) == words


async def test_refused_subscription_fails_alone(own_redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    came: Came = []
    async with linked(own_redis.url) as operator:
        rights = ("~*", "resetchannels", "&open*", "+@all")
        await operator.call("ACL", "SETUSER", "narrow", "on", ">password", *rights)
        async with linked(f"redis://narrow:password@127.0.0.1:{own_redis.port}", came) as link:
            number = await link.call("CLIENT", "ID")
            steps = [
                link.subscribe("open-1", "open-2"),
                link.subscribe("closed-1", "closed-2"),
                link.call("ECHO", "between"),
                link.subscribe("open-3"),
                link.call("PUBLISH", "closed", "x"),
            ]
            outcomes = await asyncio.gather(*steps, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [
                type(None),
                RefusedError,
                bytes,
                type(None),
                RefusedError,
            ]
            assert [await operator.call("PUBLISH", f"open-{number}", number) for number in (1, 2, 3)] == [1, 1, 1]
            assert await link.call("CLIENT", "ID") == number
            assert len(came) == 3
    assert [line for line in said(caplog) if "NOPERM" in line] == said(caplog)
    assert len(said(caplog)) == 1


async def test_user_without_channels_is_told_in_redis_words(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with linked(own_redis.url) as operator:
        await operator.call("ACL", "SETUSER", "deaf", "on", ">password", "~*", "resetchannels", "+@all")
    async with layer_process(f"redis://deaf:password@127.0.0.1:{own_redis.port}", "prefix") as process:
        assert not process.link.is_up
    (line,) = said(caplog)
    assert line.startswith("Redis is away (NOPERM ")


async def write_for_ever(link: RedisLink) -> None:
    while True:
        await link.call("SET", "key", "value")


@pytest.mark.parametrize(("serves_stale", "code"), [("yes", "READONLY"), ("no", "MASTERDOWN")])
async def test_connection_to_a_server_that_became_a_replica_is_dropped(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture, serves_stale: str, code: str
) -> None:
    listener = Preparing()
    async with linked(own_redis.url) as operator, linked(own_redis.url, listener=listener) as link:

        async def write() -> None:
            await link.call("SET", "key", "value")

        listener.step = write
        await operator.call("CONFIG", "SET", "replica-serve-stale-data", serves_stale)
        await operator.call("REPLICAOF", "127.0.0.1", free_port())
        with pytest.raises(UnavailableError):
            await link.call(*(("SET", "key", "value") if code == "READONLY" else ("GET", "key")))
        await until(lambda: listener.connects >= 2)
        assert not link.is_up
        assert not link.is_writable
        await operator.call("REPLICAOF", "NO", "ONE")
        await until(lambda: link.is_up)
        assert link.is_writable
    first, second = said(caplog)
    assert first.startswith(f"Redis is away ({code} ")
    assert second == "Redis is back"


async def test_connection_to_a_server_that_reads_its_data_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    listener = Preparing()
    with redis_server(enable_debug_command="yes", loading_process_events_interval_bytes="1024") as loading:
        async with linked(loading.url) as operator, linked(loading.url, listener=listener) as link:
            # Read for 0.3 s: the operator is given up after 2 s without a reply.
            await operator.call("DEBUG", "POPULATE", "300", "key", "1000")
            await operator.call("CONFIG", "SET", "key-load-delay", "1000")
            reload = asyncio.ensure_future(operator.call("DEBUG", "RELOAD"))
            writing = asyncio.ensure_future(write_for_ever(link))
            await until(lambda: not link.is_up)
            with pytest.raises(UnavailableError):
                await writing
            assert not link.is_writable
            await reload
            await until(lambda: link.is_up and listener.connects >= 2)
            assert link.is_writable
    assert "LOADING" in said(caplog)[0]
