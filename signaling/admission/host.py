"""The host that a client opened, as it may stand in what it signs (TRUST.md, "REGISTER")."""

import sys
from collections.abc import Collection
from typing import Any

DEFAULT_PORTS = (":80", ":443")


def host_of(scope: dict[str, Any], allowed: Collection[str]) -> str:
    """Return the `Host` of an opening handshake, without a default port; "" unless `allowed` names it in full.

    `*` and `.example.org` name nobody: else whoever forwards a signature under a name of his own could use it.
    """
    named = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"]
    if len(named) != 1:
        return ""
    host = named[0]
    for port in DEFAULT_PORTS:
        host = host.removesuffix(port)
    name, colon, port = host.rpartition(":")
    without_port = name if colon and port.isdigit() else host
    is_allowed = any(without_port == rule.lower() for rule in allowed if rule != "*" and not rule.startswith("."))
    # All connections share it.
    return sys.intern(host) if is_allowed else ""
