"""Origins, and the rules of ALLOWED_ORIGINS and ALLOWED_HOSTS (RFC 6454). Pure: no framework, no I/O."""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import NamedTuple

# Some native libraries send the scheme of the WebSocket.
DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
LAST_PORT = 65535
# Origins of native shells have hosts that are no DNS names (app://-), or none (file://).
_AUTHORITY = r"(?P<host>[a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
AUTHORITY = re.compile(_AUTHORITY, re.IGNORECASE | re.ASCII)
ORIGIN = re.compile(rf"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:{_AUTHORITY})?", re.IGNORECASE | re.ASCII)
DNS_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")


class Origin(NamedTuple):
    """A scheme, a host and a port; the port is 0 where there is none, and None in a rule for any."""

    scheme: str
    host: str
    port: int | None

    @property
    def is_web(self) -> bool:
        """Return whether the scheme is one of the web's, and not an app's or an extension's own."""
        return self.scheme in DEFAULT_PORTS


# A browser sends "null" in place of an origin that it does not tell (RFC 6454, section 7.3).
NULL = Origin("", "", 0)


def parse_origin(text: str) -> Origin | None:
    """Read the value of an Origin header; return None when it is no origin."""
    if text.lower() == "null":
        return NULL
    match = ORIGIN.fullmatch(text)
    if match is None:
        return None
    scheme = match["scheme"].lower()
    if match["host"] is None:
        return None if scheme in DEFAULT_PORTS else Origin(scheme, "", 0)
    authority = _read(match)
    return authority and Origin(scheme, authority[0], authority[1] or DEFAULT_PORTS.get(scheme, 0))


def parse_rule(text: str) -> Origin | None:
    """Read an entry of ALLOWED_ORIGINS, an origin whose port may be `*` for any; return None when it is none."""
    allows_any_port = text.endswith(":*")
    # Any port shows whether the origin may have one.
    origin = parse_origin(f"{text[:-1]}1" if allows_any_port else text)
    if origin is None or (origin.is_web and not (origin.host.startswith("[") or DNS_NAME.fullmatch(origin.host))):
        return None
    return origin._replace(port=None) if allows_any_port else origin


def has_authority(origin: Origin, host_header: str) -> bool:
    """Return whether a page's host and port are those of a Host header, which leaves out the default port.

    `capacitor://localhost` has no port: it is an app's, and not a page of a server on localhost.
    """
    match = AUTHORITY.fullmatch(host_header)
    if not origin.is_web or match is None or (authority := _read(match)) is None:
        return False
    host, port = authority
    return (origin.host, origin.port) == (host, port or DEFAULT_PORTS[origin.scheme])


def page_hosts(hosts: Iterable[str]) -> list[str]:
    """Return the entries of ALLOWED_HOSTS that pages are opened under: names, as addresses are for health checks."""
    return [host for host in map(str.lower, hosts) if host not in {"*", "localhost"} and not _is_address(host)]


def refused_hosts(hosts: Iterable[str], allowed: Iterable[str], schemes: Iterable[str]) -> list[str]:
    """Return the entries of ALLOWED_HOSTS whose pages, under one of `schemes`, have no origin in `allowed`."""
    if "*" in allowed:
        return []
    rules = [rule for rule in map(parse_rule, allowed) if rule is not None and rule.scheme in schemes]
    return [host for host in page_hosts(hosts) if not any(includes(host, rule.host) for rule in rules)]


def includes(entry: str, host: str) -> bool:
    """Return whether an entry of ALLOWED_HOSTS includes a host; one with a leading dot includes subdomains."""
    return host == entry.removeprefix(".") or (entry.startswith(".") and host.endswith(entry))


def example_of(entry: str) -> str:
    """Return the origin of a page under an entry of ALLOWED_HOSTS, as an example."""
    return f"https://app{entry}" if entry.startswith(".") else f"https://{entry}"


def _read(match: re.Match[str]) -> tuple[str, int] | None:
    host, port = match["host"].lower(), int(match["port"] or 0)
    if port > LAST_PORT or (match["port"] and not port):
        return None
    if not host.startswith("["):
        return host, port
    try:
        # An IPv6 address has several spellings.
        return f"[{ip_address(host[1:-1])}]", port
    except ValueError:
        return None


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
