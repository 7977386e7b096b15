"""Typed readers for environment variables; a bad value ends the start with one sentence."""

import contextlib
import os
import re
import urllib.parse
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network

from bans.networks import unmapped
from pkd.keys import from_base64url
from signaling.admission.origin_rules import parse_rule
from signaling.delivery.redis_url import RedisUrl
from turn.urls import ServerUrl

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})

# More digits than any sensible number; int() itself refuses thousands of them with an exception of its own.
NUMBER = re.compile(r"[0-9]{1,18}")
# Timers and dates overflow, here and in browsers, long before a float does.
A_DAY = 24 * 60 * 60
TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{20,}=*")
NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
SEED_BYTES = 32
# Parameters of a database's URL that dj_database_url or Django reads; all others are for Postgres' own library.
DATABASE_PARAMETERS = frozenset({"currentSchema", "assume_role", "server_side_binding"})
HOST = rf"(?:{NAME}|\[[0-9A-Fa-f:.]+\])"


class ConfigurationError(SystemExit):
    """A variable is missing or wrong; exits with the sentence and without a trace."""

    def __init__(self, name: str, demand: str) -> None:
        super().__init__(f"SecureCall cannot start: {name} {demand}.")


def text(name: str, default: str = "") -> str:
    """The variable without surrounding white space."""
    value = os.environ.get(name, default).strip()
    if not value.isprintable():
        raise ConfigurationError(name, "must be one line of UTF-8 text")
    return value


def token(name: str) -> str:
    """A bearer token (RFC 6750, section 2.1) that is too long to guess; or an empty string."""
    value = text(name)
    if value and not TOKEN.fullmatch(value):
        raise ConfigurationError(
            name, "must be 20 or more letters, digits or any of -._~+/, such as `openssl rand -hex 32` makes"
        )
    return value


def flag(name: str, *, default: bool = False) -> bool:
    """True for 1, true, yes, on; False for 0, false, no, off; `default` for unset."""
    value = text(name).lower()
    if not value:
        return default
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    raise ConfigurationError(name, "must be 1 or 0")


def number(name: str, default: int, *, minimum: int = 0, maximum: int | None = None) -> int:
    """A whole number from `minimum` to `maximum`."""
    value = text(name)
    if not value:
        return default
    if NUMBER.fullmatch(value) and int(value) >= minimum:
        result = int(value)
        if maximum is None or result <= maximum:
            return result
    limit = f"of {minimum} or more" if maximum is None else f"from {minimum} to {maximum}"
    raise ConfigurationError(name, f"must be a whole number {limit}")


def seconds(name: str, default: float, *, maximum: int = A_DAY) -> float:
    """A duration in seconds, fractions allowed, above zero and up to `maximum`."""
    value = text(name)
    if not value:
        return default
    try:
        result = float(value)
    except ValueError:
        result = 0.0
    if 0 < result <= maximum:
        return result
    raise ConfigurationError(name, f"must be a number of seconds above 0 and up to {maximum}")


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list without its empty entries."""
    value = text(name, default)
    found = [word.strip() for word in value.split(",") if word.strip()]
    if value and not found:
        raise ConfigurationError(name, "must hold at least one entry between its commas, or be empty")
    return found


def networks(name: str, default: str) -> list[IPv4Network | IPv6Network]:
    """A comma-separated list of networks in CIDR form; IPv4's as such, as the addresses of peers are read."""
    try:
        return [unmapped(ip_network(word)) for word in words(name, default)]
    except ValueError:
        raise ConfigurationError(
            name, "must be networks in CIDR form, separated by commas, such as 100.64.0.0/10"
        ) from None


def header(name: str) -> str:
    """The name of an HTTP header that holds addresses alone, in lower case; or an empty string."""
    value = text(name).lower()
    if value and not re.fullmatch("(?!forwarded$)[a-z0-9-]+", value):
        raise ConfigurationError(name, "must name one header that holds addresses alone, such as x-forwarded-for")
    return value


def domain(name: str) -> str:
    """A host name without scheme, port and path, or an empty string."""
    value = text(name)
    if value and not re.fullmatch(NAME, value):
        raise ConfigurationError(name, "must be a host name alone, such as app.example.com")
    return value


def directory_name(name: str) -> str:
    """Read the name of a directory as statements have it, or an empty string."""
    value = text(name)
    if value and not re.fullmatch(r"[a-z0-9.-]{1,253}", value):
        raise ConfigurationError(name, "must be a-z, 0-9, dots and hyphens, such as calls.example.com, without a port")
    return value


def seed(name: str) -> str:
    """Read the seed of a private key, 32 bytes in base64url, or an empty string."""
    value = text(name)
    try:
        if value:
            from_base64url(value, SEED_BYTES)
    except ValueError:
        raise ConfigurationError(name, "must be a line of `manage.py newlogkeys`: 32 bytes in base64url") from None
    return value


def hosts(name: str) -> list[str]:
    """A comma-separated list of host names; a leading dot includes subdomains."""
    demand = "must be host names separated by commas, such as app.example.com, without scheme and port, or *"
    return _matching(name, words(name), re.compile(rf"\*|\.?{HOST}"), demand)


def origins(name: str) -> list[str]:
    """A comma-separated list of origins: scheme, host, and the port where it is not the default; or the word null."""
    found = [word.lower() for word in words(name)]
    if not all(word == "*" or parse_rule(word) for word in found):
        raise ConfigurationError(
            name,
            "must be origins separated by commas, such as https://app.example.com or capacitor://localhost, without "
            "a path; the word null; or *",
        )
    return found


def stun_urls(name: str) -> tuple[str, ...]:
    """A comma-separated list of STUN URIs."""
    return _server_urls(name, words(name), {"stun", "stuns"}, "STUN URIs", "stun:stun.example.com:3478")


def turn_urls(name: str, default: str) -> tuple[str, ...]:
    """A comma-separated list of TURN URIs; an empty one stands for the default."""
    example = "turn:turn.example.com:3478?transport=udp"
    return _server_urls(name, words(name) or [default], {"turn", "turns"}, "TURN URIs", example)


def provider(name: str, known: Mapping[str, str], default: str) -> str:
    """Read a known name or the dotted path of a class; return the path. An empty one stands for the default."""
    value = text(name) or default
    value = known.get(value, value)
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", value):
        names = ", ".join(word for word in known if "." not in word)
        raise ConfigurationError(name, f"must be one of {names}, or the dotted path of a class, such as {default}")
    return value


def api_url(name: str) -> str:
    """Read the https URL of an API, to which a secret is sent, or an empty string; http will do for this machine."""
    value = text(name)
    if value and not re.fullmatch(rf"(https://{HOST}|http://127\.0\.0\.1)(:\d{{1,5}})?/?", value):
        raise ConfigurationError(name, "must be https:// and the API's host, such as https://APP.metered.live")
    return value


def redis_url(name: str) -> str:
    """A URL of Redis, or of the Sentinels that know it; or an empty string."""
    try:
        if value := text(name):
            RedisUrl.parse(value)
    except ValueError as error:
        raise ConfigurationError(name, str(error)) from None
    return value


def database_url(name: str) -> str:
    """A Postgres URL with a host and a database, or `sqlite:///` and a path; or an empty string."""
    value = text(name)
    # With two slashes the file's name would be a host, and the database in memory.
    if not value or re.fullmatch("sqlite:///.+", value):
        return value
    if value.startswith("sqlite:"):
        raise ConfigurationError(name, "must be sqlite:/// and the path of a file")
    with contextlib.suppress(ValueError):
        parts = urllib.parse.urlsplit(value)
        # The port is parsed, and refused, on access.
        if parts.scheme in {"postgres", "postgresql"} and parts.hostname and parts.port != 0 and parts.path.strip("/"):
            if unknown := _unknown_to_postgres(parts.query):
                raise ConfigurationError(name, f"must not have the parameter {unknown[:40]!a}: Postgres has none")
            return value
    raise ConfigurationError(name, "must be a complete URL that starts with postgres:// or postgresql://")


def _unknown_to_postgres(query: str) -> str:
    """Return the first parameter of a URL with which Postgres' library opens no connection; "" for none."""
    # Loaded here, as a server with SQLite never needs it.
    from psycopg import ProgrammingError, conninfo  # noqa: PLC0415

    for name, _ in urllib.parse.parse_qsl(query):
        try:
            conninfo.make_conninfo(**{name: ""})
        except ProgrammingError:
            if name not in DATABASE_PARAMETERS:
                return name
    return ""


def _server_urls(name: str, found: list[str], schemes: set[str], kind: str, example: str) -> tuple[str, ...]:
    try:
        are_good = all(ServerUrl.parse(word).scheme in schemes for word in found)
    except ValueError:
        are_good = False
    if not are_good:
        raise ConfigurationError(name, f"must be {kind} separated by commas, such as {example}")
    return tuple(found)


def _matching(name: str, found: list[str], form: re.Pattern[str], demand: str) -> list[str]:
    if not all(form.fullmatch(word) for word in found):
        raise ConfigurationError(name, demand)
    return found
