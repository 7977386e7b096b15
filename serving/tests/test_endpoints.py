"""Endpoint descriptions are read as Twisted's are; one that is no plain socket is refused with a sentence."""

import os
import subprocess
import sys

import pytest

from serving.endpoints import parse
from tests.support.servers import ROOT


@pytest.mark.parametrize(
    "description",
    [
        "ssl:0:privateKey=key.pem:certKey=key.pem:interface=127.0.0.1",
        r"s\sl:0:privateKey=key.pem:certKey=key.pem:interface=127.0.0.1",
        "haproxy:ssl:0:privateKey=key.pem:certKey=key.pem:interface=127.0.0.1",
        "haproxy:tcp:0",
        "tls:0:privateKey=key.pem:certKey=key.pem",
        "systemd:domain=INET:index=0",
        "SSL:0",
        "",
    ],
)
def test_endpoint_that_is_no_plain_socket_is_refused_with_a_sentence(description: str) -> None:
    with pytest.raises(SystemExit, match="this server speaks no TLS"):
        parse(description)


@pytest.mark.parametrize(
    ("description", "kind", "values"),
    [
        ("tcp:8000", "tcp", {"1": "8000"}),
        ("tcp:port=8000:interface=127.0.0.1", "tcp", {"port": "8000", "interface": "127.0.0.1"}),
        (r"tcp6:0:interface=\:\:1", "tcp6", {"1": "0", "interface": "::1"}),
        ("unix:/run/a socket:mode=660", "unix", {"1": "/run/a socket", "mode": "660"}),
        ("fd:fileno=3", "fd", {"fileno": "3"}),
    ],
)
def test_plain_endpoint_is_split_at_its_colons(description: str, kind: str, values: dict[str, str]) -> None:
    assert parse(description) == (kind, values)


IPV6_ONLY = """
import socket, sys
from serving.endpoints import listen
listening = listen(sys.argv[1])
port = listening.getsockname()[1]
for host in ("127.0.0.1", "::1"):
    socket.create_connection((host, port), timeout=5).close()
    listening.setblocking(True)
    listening.accept()[0].close()
print("both")
"""
# A network of its own, where sockets for IPv6 serve nothing else unless they ask.
NETWORK = 'ip link set lo up && echo 1 > /proc/sys/net/ipv6/bindv6only && exec "$0" "$@"'
NAMESPACE = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]


@pytest.mark.parametrize("endpoint", [r"tcp:port=0:interface=\:\:", r"tcp6:0:interface=\:\:"])
def test_socket_for_every_address_serves_ipv4_too(endpoint: str) -> None:
    command = [*NAMESPACE, "sh", "-c", NETWORK, sys.executable, "-c", IPV6_ONLY, endpoint]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("both\n", "")
