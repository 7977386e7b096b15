import pytest

from signaling.delivery.redis_url import Address, Login, RedisUrl


@pytest.mark.parametrize(
    ("text", "servers", "database"),
    [
        ("redis://cache", [("cache", 6379)], 0),
        ("redis://cache:7000/3", [("cache", 7000)], 3),
        ("redis://[::1]:7000/", [("::1", 7000)], 0),
        ("redis://cache?db=2", [("cache", 6379)], 2),
        ("rediss://user:p%40ss@cache.example.com/1", [("cache.example.com", 6379)], 1),
        ("redis+sentinel://one/name", [("one", 26379)], 0),
        ("redis+sentinel://one:1,[::1]:2,three/name/4", [("one", 1), ("::1", 2), ("three", 26379)], 4),
    ],
)
def test_url_names_servers_and_a_database(text: str, servers: list[Address], database: int) -> None:
    url = RedisUrl.parse(text)
    assert list(url.servers) == servers
    assert url.database == database
    assert url.primary == ("name" if "sentinel" in text else "")
    assert url.is_tls is text.startswith("rediss")


def test_url_names_users_of_redis_and_of_its_sentinels() -> None:
    url = RedisUrl.parse("redis+sentinel://u:p%2Fw@one/name?sentinel_username=s&sentinel_password=t%3Du")
    assert url.login == Login("u", "p/w")
    assert url.sentinel_login == Login("s", "t=u")
    assert "p/w" not in repr(url)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("redis://one,two", "must be a complete URL"),
        ("redis+sentinel://one:26379", "must be a complete URL"),
        ("redis+sentinel://one,,two/name", "must be a complete URL"),
        ("redis://cache:0", "must be a complete URL"),
        ("unix:///run/redis.sock", "must be a complete URL"),
        (
            "redis://cache?timeout=5",
            "must not have the parameter 'timeout' with this scheme; it may have db, each once",
        ),
        ("redis://cache?ssl_ca_certs=/ca", "must not have the parameter 'ssl_ca_certs' with this"),
        ("redis://cache?sentinel_password=x", "must not have the parameter 'sentinel_password' with"),
        ("rediss://cache?db=1&db=2", "must not have the parameter 'db' twice"),
        ("rediss://cache?ssl_cert_reqs=maybe", "must have another value for ssl_cert_reqs"),
        ("rediss://cache?ssl_check_hostname=", "must have another value for ssl_check_hostname"),
        ("rediss://cache?ssl_keyfile=/key", "must have ssl_certfile where"),
    ],
)
def test_url_that_says_too_much_or_too_little_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="^" + sentence.replace("?", r"\?")):
        RedisUrl.parse(text)
