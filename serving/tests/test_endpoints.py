"""Endpoint descriptions are read as Twisted's are; one that is no plain socket is refused with a sentence."""

import pytest

from serving.endpoints import parse


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
