from typing import Any

import pytest
from django.http import HttpRequest
from pytest_django import Settings

from signaling.admission.client_ip import address_of, address_of_request
from signaling.admission.pseudonym import pseudonym

PROXY = "100.64.0.7"


def address(client: str | None, *headers: tuple[str, str]) -> str:
    scope: dict[str, Any] = {"headers": [(name.encode(), value.encode("latin-1")) for name, value in headers]}
    request = HttpRequest()
    request.META |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers}
    if client is not None:
        scope["client"] = (client, 50_000)
        request.META["REMOTE_ADDR"] = client
    assert address_of_request(request) == address_of(scope)
    return address_of(scope)


def test_address_is_the_peers() -> None:
    assert address("203.0.113.9") == pseudonym("203.0.113.9")
    assert address("203.0.113.9") != address("203.0.113.10")


def test_address_is_a_pseudonym() -> None:
    assert "203" not in address("203.0.113.9")
    assert len(address("203.0.113.9")) == len(address("2001:db8::1"))


@pytest.mark.parametrize("proxy", [PROXY, f"::ffff:{PROXY}"])
@pytest.mark.parametrize("real", ["203.0.113.9", " 203.0.113.9 ", "::ffff:203.0.113.9"])
def test_real_ip_of_a_trusted_proxy_is_believed(proxy: str, real: str) -> None:
    assert address(proxy, ("x-real-ip", real)) == address("203.0.113.9")


@pytest.mark.parametrize("peer", ["203.0.113.9", "100.128.0.1", "100.63.255.255", "10.0.0.1", "127.0.0.1", "::1"])
def test_real_ip_of_anybody_else_is_not_believed(peer: str) -> None:
    assert address(peer, ("x-real-ip", "198.51.100.1")) == address(peer)


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "cf-connecting-ip", "X-Real-IP-2"])
def test_other_headers_are_not_believed(header: str) -> None:
    assert address(PROXY, (header, "198.51.100.1")) == address(PROXY)


@pytest.mark.parametrize("real", ["", "unknown", "203.0.113.9, 198.51.100.1", "203.0.113.999", "\xff\xfe", "1" * 5000])
def test_real_ip_that_is_none_counts_for_the_proxy(real: str) -> None:
    assert address(PROXY, ("x-real-ip", real)) == address(PROXY)


def test_ipv6_counts_for_its_network() -> None:
    assert address("2001:db8:1:2::1") == address("2001:db8:1:2:ffff:ffff:ffff:ffff")
    assert address("2001:db8:1:2::1") != address("2001:db8:1:3::1")
    assert address(PROXY, ("x-real-ip", "2001:db8:1:2::9")) == address("2001:db8:1:2::1")


def test_ipv4_mapped_counts_as_ipv4() -> None:
    assert address("::ffff:203.0.113.9") == address("203.0.113.9")
    assert address("::ffff:203.0.113.9") != address("::ffff:203.0.113.10")


@pytest.mark.parametrize("client", [None, "", "a-unix-socket", "testserver"])
def test_peer_without_an_address_counts_too(client: str | None) -> None:
    assert address(client) == address(None)


def test_peer_with_a_zone_counts_for_its_network() -> None:
    assert address("fe80::1%eth0")


def test_trusted_proxies_are_a_setting(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = []
    assert address(PROXY, ("x-real-ip", "203.0.113.9")) == address(PROXY)
