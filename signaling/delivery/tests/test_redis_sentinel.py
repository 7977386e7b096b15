"""A Redis that is found by its Sentinels; `make faults` has them put another server in its place."""

from collections.abc import Iterator

import pytest
import redis

from signaling.delivery.tests.test_redis_link import linked
from tests.support.services.process import free_port
from tests.support.services.sentinel import NAME, Sentinels, sentinels


@pytest.fixture(scope="module")
def watched() -> Iterator[Sentinels]:
    with sentinels(1) as started:
        yield started


async def test_sentinels_that_do_not_answer_are_passed_over(watched: Sentinels) -> None:
    url = watched.url.replace("//", f"//127.0.0.1:{free_port()},")
    async with linked(url) as link:
        assert f"tcp_port:{watched.primary.port}\r" in (await link.call("INFO", "server")).decode()


async def test_operator_is_told_why_sentinels_name_no_primary(
    watched: Sentinels, caplog: pytest.LogCaptureFixture
) -> None:
    url = watched.url.replace(f"/{NAME}/", "/another/").replace("//", f"//127.0.0.1:{free_port()},")
    async with linked(url) as link:
        assert not link.is_up
    (line,) = [record.getMessage() for record in caplog.records if record.name.startswith("signaling.delivery")]
    assert "(no primary by the Sentinels; 1: ConnectionRefusedError, 2: knows no another)" in line


async def test_server_that_is_named_but_no_primary_is_not_taken(
    watched: Sentinels, caplog: pytest.LogCaptureFixture
) -> None:
    with redis.Redis(port=watched.primary.port) as primary:
        primary.replicaof("127.0.0.1", free_port())
        try:
            async with linked(watched.url) as link:
                assert not link.is_up
                (line,) = [one.getMessage() for one in caplog.records if one.name.startswith("signaling.delivery")]
                assert "the one that is named: a replica" in line
        finally:
            primary.replicaof("NO", "ONE")
