"""The doctor's findings on real services, well and ill, and its judgement of what a test cannot bring about."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import redis as redis_client
from pytest_django import Settings

from diagnostics.doctor import clock, machine, redis, relay
from diagnostics.doctor.clock import Clock
from diagnostics.doctor.confidential import without_secrets
from diagnostics.doctor.finding import Finding
from diagnostics.outcome import Outcome
from securecall_site.examined import connect_as_the_server
from signaling.delivery.events import FORMAT, KNOWN_FORMAT
from signaling.tests.acl import user_of
from tests.support.services import Coturn, RedisServer, redis_server
from tests.support.services.sentinel import sentinels

SECONDS = 2
OURS = redis.Records("securecall-registry", FORMAT, KNOWN_FORMAT)


def of_redis(settings: Settings, url: str) -> list[Finding]:
    settings.REDIS_URL = url
    return list(redis.examine([], SECONDS, OURS, connect_as_the_server))


def amiss(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.outcome is not Outcome.OK]


@pytest.fixture
def control(own_redis: RedisServer) -> Iterator["redis_client.Redis"]:
    with redis_client.Redis(port=own_redis.port) as client:
        yield client


def test_doctor_finds_a_good_redis_well(settings: Settings, redis_url: str) -> None:
    settings.REDIS_URL = redis_url
    clocks: list[Clock] = []

    findings = list(redis.examine(clocks, SECONDS, OURS, connect_as_the_server))

    # A busy machine may be slow, which is not what this is about.
    assert all("answers in" in finding.sentence for finding in amiss(findings))
    sentences = " ".join(finding.sentence for finding in findings)
    assert "is version" in sentences
    assert "passes a published message on in" in sentences
    assert [found.service for found in clocks] == ["Redis"]
    assert abs(clocks[0].ahead_seconds) < 1


def test_doctor_does_not_miss_a_redis_that_nobody_wants(settings: Settings) -> None:
    assert amiss(of_redis(settings, "")) == []


def test_doctor_says_that_redis_holds_another_versions_records(
    settings: Settings, own_redis: RedisServer, control: "redis_client.Redis"
) -> None:
    control.set("securecall-registry:format", FORMAT)
    control.hset("securecall-registry:formats", "this", str(KNOWN_FORMAT))
    assert not any("format" in finding.sentence for finding in of_redis(settings, own_redis.url))
    control.hset("securecall-registry:formats", "other", str(KNOWN_FORMAT + 1))
    (finding,) = [found for found in of_redis(settings, own_redis.url) if "format" in found.sentence]
    assert finding.outcome is Outcome.WARNING
    assert f"another version (format {KNOWN_FORMAT + 1}, and {KNOWN_FORMAT} here)" in finding.sentence
    control.set("securecall-registry:format", FORMAT + 1)
    finding = next(found for found in of_redis(settings, own_redis.url) if "format" in found.sentence)
    assert finding.outcome is Outcome.FAILED
    assert "delete the keys that begin with securecall-registry" in finding.sentence


def test_doctor_says_that_redis_is_away(settings: Settings, own_redis: RedisServer) -> None:
    own_redis.stop()

    (finding,) = of_redis(settings, own_redis.url)

    assert finding.outcome is Outcome.FAILED
    assert "ConnectionRefusedError" in finding.sentence
    assert finding.sentence.endswith("check REDIS_URL, and that Redis runs and is 6 or newer")


def test_doctor_says_that_redis_does_not_answer(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.REDIS_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}"

        (finding,) = redis.examine([], 0.2, OURS, connect_as_the_server)

    assert finding.outcome is Outcome.FAILED
    assert "TimeoutError" in finding.sentence


def test_doctor_says_that_redis_refuses_the_password(
    settings: Settings, own_redis: RedisServer, control: "redis_client.Redis"
) -> None:
    control.config_set("requirepass", "the-right-one")

    (finding,) = of_redis(settings, own_redis.url.replace("//", "//:a-wrong-password@"))

    assert finding.outcome is Outcome.FAILED
    assert "WRONGPASS" in finding.sentence
    assert "a-wrong-password" not in finding.sentence


def test_doctor_says_that_redis_evicts(
    settings: Settings, own_redis: RedisServer, control: "redis_client.Redis"
) -> None:
    control.config_set("maxmemory-policy", "allkeys-lru")

    (finding,) = amiss([found for found in of_redis(settings, own_redis.url) if "answers in" not in found.sentence])

    assert finding.outcome is Outcome.WARNING
    assert "set maxmemory-policy to noeviction (it is allkeys-lru)" in finding.sentence


def test_doctor_says_that_redis_is_nearly_full(
    settings: Settings, own_redis: RedisServer, control: "redis_client.Redis"
) -> None:
    control.config_set("maxmemory", str(control.info("memory")["used_memory"] + 65_536))

    assert any("raise maxmemory" in finding.sentence for finding in amiss(of_redis(settings, own_redis.url)))


def test_doctor_says_that_redis_is_a_replica(
    settings: Settings, own_redis: RedisServer, control: "redis_client.Redis"
) -> None:
    control.replicaof("127.0.0.1", "1")

    sentences = [found.sentence for found in of_redis(settings, own_redis.url) if found.outcome is Outcome.FAILED]
    assert sentences == ["is a replica, which takes no writes: let REDIS_URL lead to the primary"]


def test_doctor_finds_the_primary_by_its_sentinels_and_says_that_one_of_them_is_none(settings: Settings) -> None:
    with sentinels(1) as watched:
        assert any("is version" in found.sentence for found in of_redis(settings, watched.url))
        sentinel = urlsplit(watched.url)
        found = of_redis(settings, f"redis://{sentinel.hostname}:{sentinel.port}")
    (finding,) = amiss(found)
    assert finding.sentence == "is a Sentinel: write redis+sentinel://host:26379/name/0 with the primary's name"


def test_doctor_says_that_redis_is_a_cluster(settings: Settings) -> None:
    with redis_server(cluster_enabled="yes") as cluster:
        findings = of_redis(settings, cluster.url)

    assert any("use a single primary" in finding.sentence for finding in findings)


def test_doctor_says_that_redis_passes_no_messages_on(
    settings: Settings, own_redis: RedisServer, control: "redis_client.Redis"
) -> None:
    control.acl_setuser(
        "mute", enabled=True, passwords=["+word"], keys=["*"], categories=["+@all"], commands=["-publish"]
    )

    finding = of_redis(settings, own_redis.url.replace("//", "//mute:word@"))[-1]

    assert finding.outcome is Outcome.FAILED
    assert "passes no messages on (NOPERM " in finding.sentence


def test_doctor_needs_no_more_rights_than_the_server(settings: Settings, redis_url: str) -> None:
    with user_of(redis_url, "securecall") as url:
        findings = of_redis(settings, url)

    assert [found for found in amiss(findings) if "answers in" not in found.sentence] == []
    assert any("lets this user not look into its memory" in found.sentence for found in findings)


def test_doctor_says_that_redis_refuses_writes(
    settings: Settings, own_redis: RedisServer, control: "redis_client.Redis"
) -> None:
    control.config_set("min-replicas-to-write", 1)

    (finding,) = [found for found in of_redis(settings, own_redis.url) if found.outcome is Outcome.FAILED]

    assert finding.sentence.startswith("refuses what the server writes (NOREPLICAS ")


def test_doctor_allocates_on_every_turn_server(settings: Settings, coturn_server: Coturn) -> None:
    urls = (coturn_server.url("udp"), coturn_server.url("tcp"), "turns:127.0.0.1:5349?transport=udp")
    settings.TURN = replace(settings.TURN, secrets=coturn_server.secrets, urls=urls, stun_urls=("stun:127.0.0.1",))

    findings = relay.examine(SECONDS)

    assert [finding.outcome for finding in findings] == [Outcome.OK, Outcome.OK, Outcome.WARNING]
    assert all(finding.sentence.startswith(url) for finding, url in zip(findings, urls, strict=True))


def test_doctor_says_that_the_turn_secret_is_wrong(settings: Settings, coturn_server: Coturn) -> None:
    settings.TURN = replace(settings.TURN, secrets=("wrong",), urls=(coturn_server.url("udp"),))

    (finding,) = relay.examine(SECONDS)

    assert finding.outcome is Outcome.FAILED
    assert "refuses the credential (401)" in finding.sentence


def test_doctor_warns_of_a_missing_turn_secret(settings: Settings) -> None:
    settings.TURN = replace(settings.TURN, secrets=())

    assert [finding.outcome for finding in relay.examine(SECONDS)] == [Outcome.WARNING]


@pytest.mark.parametrize(
    ("ahead_seconds", "outcome", "says"),
    [
        (0.001, Outcome.OK, "agrees with Redis's within 0.010 s"),
        (-2.5, Outcome.WARNING, "is 2.5 s ahead of Redis's: let NTP set both"),
        (2.005, Outcome.OK, "agrees"),
        (90.0, Outcome.FAILED, "is 90.0 s behind Redis's"),
    ],
)
def test_doctor_judges_how_far_clocks_differ(ahead_seconds: float, outcome: Outcome, says: str) -> None:
    (finding,) = clock.examine([Clock("Redis", ahead_seconds, 0.01)])

    assert finding.outcome is outcome
    assert says in finding.sentence


def test_doctor_says_that_there_is_no_clock_to_compare_with() -> None:
    (finding,) = clock.examine([])

    assert finding.outcome is Outcome.WARNING
    assert "neither Redis nor Postgres" in finding.sentence


@pytest.mark.parametrize(("free_mib", "outcome"), [(99, Outcome.FAILED), (1023, Outcome.WARNING), (1024, Outcome.OK)])
def test_doctor_judges_the_room_on_the_disk(free_mib: int, outcome: Outcome) -> None:
    assert machine.disk(free_mib).outcome is outcome


@pytest.mark.parametrize(
    ("limit", "outcome"), [(255, Outcome.FAILED), (1024, Outcome.WARNING), (10_000, Outcome.OK), (-1, Outcome.OK)]
)
def test_doctor_judges_the_limit_of_open_files(limit: int, outcome: Outcome) -> None:
    assert machine.files(limit).outcome is outcome


@pytest.mark.parametrize(
    ("version", "outcome"), [("5.0.14", Outcome.FAILED), ("6.0.0", Outcome.OK), ("7.0.15", Outcome.OK)]
)
def test_doctor_judges_the_version_of_redis(version: str, outcome: Outcome) -> None:
    assert redis.version(version).outcome is outcome


def test_doctor_prints_no_secret(settings: Settings) -> None:
    settings.SECRET_KEY = "key-of-the-site"
    settings.DATABASE_URL = "postgres://user:p%40ss-word@db/name"
    settings.REDIS_URL = "redis://:of-redis@cache"
    settings.TURN = replace(settings.TURN, secrets=("first", "first-and-longer"))

    text = "key-of-the-site p%40ss-word p@ss-word of-redis first-and-longer first, but user, db and cache"

    assert without_secrets(text) == "*** *** *** *** *** ***, but user, db and cache"
