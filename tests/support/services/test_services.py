from pathlib import Path

import psycopg
import pytest
import redis

from tests.support.services import NotInstalledError, RedisServer, redis_server, skip_or_fail
from tests.support.services.process import StartError, executable, free_port, on_free_port, start


def is_away(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        try:
            client.ping()
        except redis.ConnectionError:
            return True
        return False


def test_redis_comes_back_empty_at_the_same_address(own_redis: RedisServer) -> None:
    with redis.Redis.from_url(own_redis.url) as client:
        client.set("name", "value")

    own_redis.stop()
    assert is_away(own_redis.url)

    own_redis.start()
    with redis.Redis.from_url(own_redis.url) as client:
        assert client.get("name") is None


def test_redis_ends_with_its_block(redis_url: str) -> None:
    with redis_server() as server:
        assert server.url != redis_url
    assert is_away(server.url)


def test_postgres_takes_statements(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_missing_program_is_named_with_its_package() -> None:
    with pytest.raises(NotInstalledError, match=r"^no-such-program is not installed \(Debian package: none\)$"):
        executable("no-such-program", "none")


def test_missing_program_skips_a_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)

    with pytest.raises(pytest.skip.Exception, match="is not installed"):
        skip_or_fail(NotInstalledError("redis-server is not installed"))


def test_missing_program_fails_a_test_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")

    with pytest.raises(pytest.fail.Exception, match="is not installed"):
        skip_or_fail(NotInstalledError("redis-server is not installed"))


def test_program_that_ends_is_no_start(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="sh did not start:\nno such option"):
        start(["sh", "-c", "echo no such option"], tmp_path / "log", lambda _pid: False)


def test_port_taken_by_another_is_tried_no_more() -> None:
    tried: list[int] = []

    def start_on(port: int) -> int:
        tried.append(port)
        if len(tried) == 1:
            raise StartError("address in use")
        return port

    assert on_free_port(start_on) == tried[1]
    assert len(tried) == 2


def test_free_ports_are_not_privileged() -> None:
    assert free_port() > 1023
