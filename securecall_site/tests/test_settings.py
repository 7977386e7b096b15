import os
import re
import runpy
import subprocess
import sys
from functools import reduce
from typing import Any

import pytest
from django.conf import settings

DEPLOY_KEY = "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LIMITS = [
    "LIMIT_API_REQUESTS_PER_MINUTE",
    "LIMIT_HTTP_BODY_BYTES",
    "LIMIT_CONNECTIONS_PER_IP",
    "LIMIT_HTTP_REQUESTS_PER_IP_PER_MINUTE",
    "LIMIT_MESSAGES_PER_SECOND",
    "LIMIT_MESSAGE_BURST",
    "LIMIT_NEW_CONNECTIONS_PER_IP_PER_MINUTE",
    "LIMIT_OPEN_CALLS_PER_CLIENT",
    "LIMIT_OUTBOUND_QUEUE_BYTES",
    "LIMIT_PKD_LOOKUPS_PER_MINUTE",
    "LIMIT_PKD_REGISTERS_PER_MINUTE",
    "LIMIT_PUBLIC_KEY_BYTES",
    "LIMIT_REFUSED_MESSAGES",
    "LIMIT_NEW_IDENTITIES_PER_HOUR",
    "LIMIT_SIGN_IN_FAILURES",
    "LIMIT_STATEMENTS_PER_DAY",
    "LIMIT_UNPROVED_BYTES",
]
DURATIONS = [
    "DRAIN_SECONDS",
    "HEARTBEAT_TIMEOUT_SECONDS",
    "HOLD_GOING_AWAY_SECONDS",
    "HOLD_SECONDS",
    "MIGRATE_WAIT_SECONDS",
    "REGISTRATION_TIMEOUT_SECONDS",
    "RING_TIMEOUT_SECONDS",
    "SIGN_IN_COOL_OFF_SECONDS",
]
BAD = [
    ("DEBUG", "maybe"),
    ("DEMO", "sometimes"),
    ("SECRET_KEY", "two\nlines"),
    ("PORT", "http"),
    ("PORT", "65536"),
    ("PORT", "-1"),
    ("PORT", "9" * 5000),
    ("REPLICAS", "0"),
    ("REPLICAS", "1.5"),
    ("DATABASE_CONNECTIONS", "1"),
    ("DATABASE_CONNECTIONS", "many"),
    *((name, "many") for name in LIMITS),
    *((name, "-1") for name in LIMITS),
    *((name, "soon") for name in DURATIONS),
    *((name, value) for name in DURATIONS for value in ("0", "-1", "nan", "inf", "1e300", "2592001")),
    ("RAILWAY_DEPLOYMENT_DRAINING_SECONDS", "10s"),
    *(("DIRECTORY_NAME", name) for name in ("Calls.example.org", "calls.example.org:443", "two words", "a" * 254)),
    ("REQUIRE_IDENTITY", "maybe"),
    ("REQUIRE_IDENTITY", "1"),
    ("RELEASE_HOURS", "0"),
    ("RELEASE_HOURS", "8761"),
    ("VETO_DAYS", "-1"),
    ("VETO_DAYS", "3651"),
    ("LOG_KEY", "short"),
    ("LOG_KEY", "A" * 42 + "B"),
    ("LOG_VRF_KEY", "A" * 44),
    ("LOG_GUARD", "two\nlines"),
    # Without a log there is nothing to cosign.
    ("LOG_WITNESSES", "quorum none"),
    ("METRICS_TOKEN", "short"),
    ("METRICS_TOKEN", "more than one word of it"),
    ("DATABASE_URL", "/var/lib/securecall.sqlite3"),
    ("DATABASE_URL", "mysql://user:password@db.example.com/securecall"),
    ("DATABASE_URL", "postgres://user:password@db.example.com:port/securecall"),
    ("DATABASE_URL", "postgres://user:password@db.example.com:99999/securecall"),
    ("DATABASE_URL", "postgres://user:password@db.example.com"),
    ("DATABASE_URL", "postgres:///securecall"),
    ("DATABASE_URL", "postgres://user:pass#word@db.example.com/securecall"),
    ("DATABASE_URL", "postgres://[::1/securecall"),
    ("DATABASE_URL", "postgres://db.example.com/securecall?sslmode=require&pgbouncer=true"),
    ("DATABASE_URL", "postgres://db.example.com/securecall?schema=public"),
    ("DATABASE_URL", "sqlite://db.sqlite3"),
    ("DATABASE_URL", "sqlite:db.sqlite3"),
    ("DATABASE_URL", "sqlite:///"),
    ("REDIS_URL", "redis.example.com:6379"),
    ("REDIS_URL", "http://redis.example.com:6379"),
    ("REDIS_URL", "redis://redis.example.com:port"),
    ("REDIS_URL", "redis://redis.example.com:99999"),
    ("REDIS_URL", "redis://redis.example.com/first"),
    ("REDIS_URL", "redis://:6379"),
    ("REDIS_URL", "redis://[::1"),
    ("REDIS_URL", "redis://redis.example.com?health_check_interval=5"),
    ("REDIS_URL", "redis+sentinel://one.example.com,two.example.com"),
    ("ALLOWED_HOSTS", "https://app.example.com"),
    ("ALLOWED_HOSTS", "app.example.com:8000"),
    ("ALLOWED_HOSTS", "app.example.com other.example.com"),
    ("ALLOWED_ORIGINS", "app.example.com"),
    ("ALLOWED_ORIGINS", "https://"),
    ("ALLOWED_ORIGINS", "https://app.example.com/"),
    ("ALLOWED_ORIGINS", "https://app.example.com:99999"),
    ("ALLOWED_ORIGINS", "https://user@app.example.com"),
    ("ALLOWED_ORIGINS", "https://[::1"),
    ("ALLOWED_ORIGINS", "https://*.example.com"),
    ("ALLOWED_ORIGINS", "capacitor:localhost"),
    ("ALLOWED_ORIGINS", "file:///"),
    ("ALLOWED_ORIGINS", "'null'"),
    ("ALLOWED_ORIGINS", "https://app.example.com https://other.example.com"),
    ("ALLOWED_ORIGINS", ","),
    ("TRUSTED_PROXIES", "proxy.example.com"),
    ("TRUSTED_PROXIES", "100.64.0.1/10"),
    ("CLIENT_ADDRESS_HEADER", "X_Real_IP"),
    ("CLIENT_ADDRESS_HEADER", "x-real-ip, x-forwarded-for"),
    ("CLIENT_ADDRESS_HEADER", "Forwarded"),
    ("RAILWAY_PUBLIC_DOMAIN", "https://app.example.com"),
    ("TURN_SECRET", " , "),
    ("TURN_URLS", "turn.example.com:3478"),
    ("TURN_URLS", "https://turn.example.com"),
    ("TURN_URLS", "turn://turn.example.com"),
    ("TURN_URLS", "turn:turn.example.com:99999"),
    ("TURN_URLS", "turn:turn.example.com:0"),
    ("TURN_URLS", "turn:turn.example.com?transport=sctp"),
    ("TURN_URLS", "turn:user@turn.example.com"),
    ("TURN_URLS", "turn:turn.example.com,stun:stun.example.com"),
    ("TURN_TTL_SECONDS", "59"),
    ("TURN_TTL_SECONDS", "2592001"),
    ("TURN_PROVIDER", "SharedSecret"),
    ("TURN_PROVIDER", "turn/shared_secret.py"),
    ("TURN_KEY_ID", "key\x07id"),
    ("TURN_USERNAME", "us\x07"),
    ("TURN_API_URL", "app.metered.live"),
    ("TURN_API_URL", "http://app.metered.live"),
    ("TURN_API_URL", "https://app.metered.live/api?secretKey=key"),
    ("TURN_API_URL", "https://key@app.metered.live"),
    ("TURN_URLS", "turn:256.1.1.1"),
    ("STUN_URLS", "stun:[:::]"),
    ("ADMIN_REQUIRE_2FA", "sometimes"),
    ("TURN_TTL_SECONDS", "1h"),
    ("STUN_URLS", "turn:turn.example.com"),
    ("STUN_URLS", "stun:stun.example.com?transport=udp"),
    ("STUN_URLS", "stun:"),
]


def run(arguments: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run Python with these variables and none of the project's others."""
    environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "DEBUG"}}
    return subprocess.run(
        [sys.executable, *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=settings.BASE_DIR,
        env=environment | variables,
    )


def read(name: str, **variables: str) -> Any:
    """The value of one setting, read anew with these variables and none of the project's others."""
    kept = {key: value for key, value in os.environ.items() if key not in {"DATABASE_URL", "DEBUG"}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", kept | variables)
        module = runpy.run_path(str(settings.BASE_DIR / "securecall_site" / "settings.py"))
    first, *rest = name.split(".")
    return reduce(getattr, rest, module[first])


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_value_is_refused_with_one_sentence(name: str, value: str) -> None:
    with pytest.raises(SystemExit, match=rf"^SecureCall cannot start: {name} must .+\.$"):
        read("DEBUG", **{"DEBUG": "1", name: value})


def test_bad_value_stops_the_start_with_one_sentence() -> None:
    result = run(["manage.py", "check"], {"DEBUG": "1", "PORT": "http"})

    assert result.returncode == 1
    assert re.fullmatch(r"SecureCall cannot start: PORT must .+\.\n", result.stderr)
    assert result.stdout == ""


def test_undecodable_value_stops_the_start_with_one_sentence() -> None:
    environment = {os.fsencode(name): os.fsencode(value) for name, value in os.environ.items()}
    result = subprocess.run(
        [sys.executable, "manage.py", "check"],
        check=False,
        capture_output=True,
        cwd=settings.BASE_DIR,
        env=environment | {b"TURN_SECRET": b"\xff\xfe"},
    )

    assert result.stderr == b"SecureCall cannot start: TURN_SECRET must be one line of UTF-8 text.\n"


def test_every_variable_has_a_bad_value() -> None:
    source = (settings.BASE_DIR / "securecall_site" / "settings.py").read_text()
    names = set(re.findall(r'env\.\w+\(\s*"([A-Z0-9_]+)"', source))

    # Any text is a good name for the platform's environment.
    assert names - {name for name, _ in BAD} == {"RAILWAY_ENVIRONMENT_NAME", "RAILWAY_PROJECT_ID"}


KEYS = {"LOG_KEY": "A" * 43, "LOG_VRF_KEY": "A" * 42 + "E"}


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"LOG_KEY": "A" * 43}, "LOG_VRF_KEY"),
        ({"LOG_VRF_KEY": "A" * 43}, "LOG_KEY"),
        ({"LOG_KEY": "A" * 43, "LOG_VRF_KEY": "A" * 43}, "LOG_VRF_KEY"),
        (KEYS, "DIRECTORY_NAME"),
        (KEYS | {"DIRECTORY_NAME": "calls.example.org"}, "LOG_GUARD"),
    ],
    ids=range(5),
)
def test_half_a_log_stops_the_start(variables: dict[str, str], name: str) -> None:
    with pytest.raises(SystemExit, match=f"{name} must"):
        read("LOG_KEY", DEBUG="1", **variables)


@pytest.mark.parametrize("guard", [{"LOG_GUARD": "guard"}, {"REDIS_URL": "redis://127.0.0.1"}], ids=["file", "redis"])
def test_log_has_two_keys_a_directory_and_a_guard(guard: dict[str, str]) -> None:
    assert read("LOG_KEY", DEBUG="1", DIRECTORY_NAME="calls.example.org", **KEYS, **guard) == KEYS["LOG_KEY"]


def test_witnesses_are_a_policy() -> None:
    log = KEYS | {"DEBUG": "1", "DIRECTORY_NAME": "calls.example.org", "LOG_GUARD": "guard"}
    assert read("LOG_WITNESSES", LOG_WITNESSES="# nobody yet; quorum none", **log).quorum == "none"
    with pytest.raises(SystemExit, match=r"LOG_WITNESSES must be lines .* one line says what is enough"):
        read("LOG_WITNESSES", LOG_WITNESSES="# nobody yet", **log)


def test_secret_key_is_required() -> None:
    result = run(["manage.py", "check"], {})

    assert result.returncode == 1
    assert result.stderr == (
        "SecureCall cannot start: SECRET_KEY must be set to a long random string (or DEBUG to 1).\n"
    )


def test_secret_key_is_made_up_in_debug() -> None:
    assert len(read("SECRET_KEY", DEBUG="1")) > 50


@pytest.mark.parametrize(
    ("variables", "is_shown"),
    [
        ({"SECRET_KEY": DEPLOY_KEY}, False),
        ({"SECRET_KEY": DEPLOY_KEY, "DEMO": "1"}, True),
        ({"DEBUG": "1"}, True),
        ({"DEBUG": "1", "DEMO": "0"}, False),
    ],
)
def test_demo_is_shown_when_developing_or_told_to(variables: dict[str, str], is_shown: bool) -> None:  # noqa: FBT001 -- a parameter
    assert read("DEMO", **variables) == is_shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "sqlite:////data/db.sqlite3"),
        ("DATABASE_URL", "postgres://user:password@db.example.com/securecall?sslmode=require"),
        (
            "DATABASE_URL",
            "postgres://db.example.com/securecall?connect_timeout=9&currentSchema=calls&application_name=s",
        ),
        ("DATABASE_URL", "postgresql://user:p%23ss@[::1]:5432/securecall"),
        ("REDIS_URL", "redis://default:password@redis.example.com:6379"),
        ("REDIS_URL", "rediss://redis.example.com/2"),
        ("REDIS_URL", "redis+sentinel://one.example.com,two.example.com:26379/name/0"),
        ("RAILWAY_PUBLIC_DOMAIN", "securecall.example.com"),
        ("PORT", 0),
        ("DRAIN_SECONDS", 0.5),
        ("SIGN_IN_COOL_OFF_SECONDS", 2592000),
    ],
)
def test_good_value_is_kept(name: str, value: str | float) -> None:
    assert read(name, DEBUG="1", **{name: str(value)}) == value


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("ALLOWED_HOSTS", ["app.example.com", ".example.com", "127.0.0.1", "[::1]", "*"]),
        ("ALLOWED_ORIGINS", ["https://app.example.com", "http://[::1]:8000", "http://localhost:*", "*"]),
        ("ALLOWED_ORIGINS", ["capacitor://localhost", "ionic://localhost", "tauri://localhost", "file://", "null"]),
        ("ALLOWED_ORIGINS", ["chrome-extension://abcdefghijklmnop", "moz-extension://2b4a-3c1e", "app://-"]),
    ],
)
def test_good_entries_are_kept(name: str, values: list[str]) -> None:
    variables = {"SECRET_KEY": DEPLOY_KEY, name: f"{', '.join(values)},"}

    assert read(name, **variables) == values


@pytest.mark.parametrize(
    ("variable", "field", "values"),
    [
        ("TURN_SECRET", "secrets", ["newer", "older"]),
        ("TURN_URLS", "urls", ["turn:turn.example.com", "turns:[2001:db8::1]:443?transport=tcp"]),
        ("STUN_URLS", "stun_urls", ["stun:stun.example.com:3478", "stuns:192.0.2.1"]),
    ],
)
def test_turn_entries_are_kept(variable: str, field: str, values: list[str]) -> None:
    assert list(read(f"TURN.{field}", DEBUG="1", **{variable: ",".join(values)})) == values


def test_proxies_of_ipv4_are_known_also_where_they_are_written_as_ipv6_has_them() -> None:
    given = "::ffff:10.0.0.0/104, ::ffff:192.0.2.7, 100.64.0.0/10, 2001:db8::/32"
    variables = {"DEBUG": "1", "TRUSTED_PROXIES": given, "CLIENT_ADDRESS_HEADER": "x-forwarded-for"}
    proxies = [str(network) for network in read("TRUSTED_PROXIES", **variables)]
    assert proxies == ["10.0.0.0/8", "192.0.2.7/32", "100.64.0.0/10", "2001:db8::/32"]


def test_turn_urls_default_to_the_reference() -> None:
    assert read("TURN.urls", DEBUG="1", TURN_URLS="") == ("turn:a.relay.metered.ca:443?transport=tcp",)


def test_railway_public_domain_fills_hosts_origins_and_csrf() -> None:
    variables = {"SECRET_KEY": DEPLOY_KEY, "RAILWAY_PUBLIC_DOMAIN": "securecall.example.com"}

    assert read("ALLOWED_HOSTS", **variables) == ["securecall.example.com"]
    assert read("ALLOWED_ORIGINS", **variables) == ["https://securecall.example.com"]
    assert read("CSRF_TRUSTED_ORIGINS", **variables) == ["https://securecall.example.com"]


def test_csrf_trusts_web_pages_alone_and_no_wildcards() -> None:
    origins = "*,http://localhost:*,https://app.example.com,capacitor://localhost,file://,null"
    variables = {"SECRET_KEY": DEPLOY_KEY, "ALLOWED_ORIGINS": origins}

    assert read("CSRF_TRUSTED_ORIGINS", **variables) == ["https://app.example.com"]


def test_sign_in_limit_of_0_is_none() -> None:
    assert read("AXES_LOCK_OUT_AT_FAILURE", DEBUG="1", LIMIT_SIGN_IN_FAILURES="0") is False
    assert read("AXES_LOCK_OUT_AT_FAILURE", DEBUG="1") is True
