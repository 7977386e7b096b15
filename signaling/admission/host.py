"""The host that a client opened, as it may stand in what it signs (TRUST.md, "REGISTER")."""

import sys
from collections.abc import Collection
from typing import Any

DEFAULT_PORTS = (":80", ":443")


def host_of(scope: dict[str, Any], allowed: Collection[str]) -> str:
    """Return the `Host` of an opening handshake, as `signed_host` does; "" where there is none, or are several."""
    named = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    # All connections share it.
    return sys.intern(signed_host(named[0], allowed)) if len(named) == 1 else ""


def signed_host(host: str, allowed: Collection[str]) -> str:
    """Return a `Host` in lower case and without a default port; "" unless `allowed` names it in full.

    `*` and `.example.org` name nobody: else whoever forwards a signature under a name of his own could use it.
    """
    host = without_default_port(host)
    name, colon, port = host.rpartition(":")
    without_port = name if colon and port.isdigit() else host
    is_allowed = any(without_port == rule.lower() for rule in allowed if rule != "*" and not rule.startswith("."))
    return host if is_allowed else ""


def is_signature_taken(opened: str, arrived: str, allowed: Collection[str], directory: str) -> bool:
    """Return whether a client that opened a host may sign for it, when the handshake has the `Host` that arrived."""
    return without_default_port(opened) in {signed_host(arrived, allowed), directory} - {""}


def without_default_port(host: str) -> str:
    """Return a host as clients sign it: in lower case, without the port of its scheme."""
    host = host.lower()
    for port in DEFAULT_PORTS:
        host = host.removesuffix(port)
    return host
