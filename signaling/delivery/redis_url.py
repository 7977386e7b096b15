"""The address of Redis, as `REDIS_URL` gives it: one reading for the settings, the server and `doctor`.

`redis://[[user]:password@]host[:port][/database]`, `rediss://` for TLS, and `redis+sentinel://` or `rediss+sentinel://`
with several hosts and `/name[/database]`, for the primary that Sentinels call so.
"""

import re
import ssl
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Self

SCHEMES = ("redis", "rediss", "redis+sentinel", "rediss+sentinel")
REDIS_PORT, SENTINEL_PORT = 6379, 26379

# RFC 3986, appendix B. Several hosts are no authority: urlsplit of Debian's Python 3.11.2 refuses an IPv6 address among
# them that is not the first.
_URL = re.compile(r"(?P<scheme>[A-Za-z+]+)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?")
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::(?P<port>[0-9]{1,5}))?")
# The path, of one server and of Sentinels.
_DATABASE = re.compile(r"/?(?P<database>[0-9]{0,9})")
_NAME_AND_DATABASE = re.compile(r"/(?P<name>[\w.-]+)(?:/(?P<database>[0-9]{0,9}))?")
_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Address(NamedTuple):
    """A host and a port."""

    host: str
    port: int


def _flag(value: str) -> bool:
    if value.lower() not in _FLAGS:
        raise ValueError
    return _FLAGS[value.lower()]


def _requirement(value: str) -> bool:
    # A client is never asked for less than the server's certificate: "optional" is "required".
    return {"none": False, "optional": True, "required": True}[value.lower()]


# The parameters of a URL that concern TLS, with what reads them; named as redis-py names them.
_TLS: dict[str, Callable[[str], str | bool]] = {
    "ssl_ca_certs": str,
    "ssl_certfile": str,
    "ssl_keyfile": str,
    "ssl_check_hostname": _flag,
    "ssl_cert_reqs": _requirement,
}
_OF_SENTINELS = ("sentinel_username", "sentinel_password")


@dataclass(frozen=True, slots=True)
class Login:
    """A user and a password; empty where there are none."""

    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A Redis; where `primary` is a name, `servers` are the Sentinels that know which server it is."""

    servers: tuple[Address, ...]
    primary: str
    login: Login
    sentinel_login: Login
    database: int
    is_tls: bool
    tls: dict[str, str | bool]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URL; raises `ValueError` with a sentence that goes on after the setting's name."""
        url = _URL.fullmatch(text)
        if url is None:
            raise ValueError(_demand())
        scheme = url["scheme"].lower()
        has_sentinels = scheme.endswith("+sentinel")
        login, _, hosts = url["authority"].rpartition("@")
        servers = _servers(hosts, SENTINEL_PORT if has_sentinels else REDIS_PORT)
        path = (_NAME_AND_DATABASE if has_sentinels else _DATABASE).fullmatch(url["path"])
        if scheme not in SCHEMES or not servers or path is None or (len(servers) > 1 and not has_sentinels):
            raise ValueError(_demand())
        is_tls = scheme.startswith("rediss")
        options = _options(url["query"] or "", is_tls=is_tls, has_sentinels=has_sentinels)
        username, _, password = (urllib.parse.unquote(word) for word in login.partition(":"))
        return cls(
            servers=servers,
            primary=path["name"] if has_sentinels else "",
            login=Login(username, password),
            sentinel_login=Login(*(str(options.pop(name, "")) for name in _OF_SENTINELS)),
            database=int(options.pop("db", None) or path["database"] or 0),
            is_tls=is_tls,
            tls=options,
        )

    def tls_context(self) -> ssl.SSLContext | None:
        """Make the context of a connection; None without TLS. Raises `OSError` for files that cannot be used."""
        if not self.is_tls:
            return None
        context = ssl.create_default_context(cafile=self._file("ssl_ca_certs"))
        certificate = self._file("ssl_certfile")
        if certificate is not None:
            context.load_cert_chain(certificate, self._file("ssl_keyfile"))
        if not self.tls.get("ssl_cert_reqs", True):
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        elif not self.tls.get("ssl_check_hostname", True):
            context.check_hostname = False
        return context

    def _file(self, name: str) -> str | None:
        path = self.tls.get(name)
        return None if path is None else str(path)


def _demand() -> str:
    starts = ", ".join(f"{scheme}://" for scheme in SCHEMES)
    return (
        f"must be a complete URL that starts with one of {starts}, such as redis://host:6379/0 or "
        "redis+sentinel://one:26379,two:26379/name/0"
    )


def _servers(hosts: str, port: int) -> tuple[Address, ...]:
    found = [_HOST.fullmatch(host) for host in hosts.split(",")]
    servers = tuple(Address(one["host"].strip("[]"), int(one["port"] or port)) for one in found if one is not None)
    is_whole = len(servers) == len(found) and all(0 < server.port < 65536 for server in servers)  # noqa: PLR2004 -- 16 bits
    return servers if is_whole else ()


def _options(query: str, *, is_tls: bool, has_sentinels: bool) -> dict[str, str | bool]:
    known: dict[str, Callable[[str], str | bool]] = {"db": _number}
    known |= _TLS if is_tls else {}
    known |= dict.fromkeys(_OF_SENTINELS, str) if has_sentinels else {}
    options: dict[str, str | bool] = {}
    for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True):
        if name not in known or name in options:
            often = "twice" if name in options else "with this scheme"
            raise ValueError(
                f"must not have the parameter {name[:40]!a} {often}; it may have {', '.join(known)}, each once"
            )
        try:
            options[name] = known[name](value)
        except (KeyError, ValueError):
            raise ValueError(f"must have another value for {name}: it cannot be read") from None
    if "ssl_keyfile" in options and "ssl_certfile" not in options:
        raise ValueError(
            "must have ssl_certfile where it has ssl_keyfile: the client certificate that the key belongs to"
        )
    return options


def _number(value: str) -> str:
    return str(int(value))
