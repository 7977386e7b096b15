from ipaddress import ip_network
from typing import Any

import pytest
from django.http import HttpRequest
from pytest_django import Settings

from signaling.admission.client_ip import FORWARDED_FOR, address_of, address_of_request
from signaling.admission.pseudonym import pseudonym

PROXY = "100.64.0.7"


def address(client: str | None, *headers: tuple[str, str]) -> str:
    scope: dict[str, Any] = {"headers": [(name.encode(), value.encode("latin-1")) for name, value in headers]}
    request = HttpRequest()
    for name, value in headers:
        variable = f"HTTP_{name.upper().replace('-', '_')}"
        # As Django joins those that come several times.
        request.META[variable] = f"{request.META[variable]},{value}" if variable in request.META else value
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


def test_real_ip_that_comes_twice_counts_for_the_proxy() -> None:
    # One of the two is the client's invention, and which one depends on the proxy.
    assert address(PROXY, ("x-real-ip", "198.51.100.1"), ("x-real-ip", "203.0.113.9")) == address(PROXY)


def test_proxies_without_a_header_of_theirs_are_believed_nothing(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8"), ip_network("100.64.0.0/10")]
    for header in ("x-real-ip", "x-forwarded-for"):
        for proxy in ("10.0.0.1", PROXY):
            assert address(proxy, (header, "203.0.113.9")) == address(proxy)


@pytest.mark.parametrize("network", ["100.64.0.0/10", "100.64.0.0/16", "100.100.7.1/32"])
def test_railways_edge_needs_no_setting(settings: Settings, network: str) -> None:
    settings.TRUSTED_PROXIES = [ip_network(network)]
    proxy = ip_network(network)[0]
    assert address(str(proxy), ("x-real-ip", "203.0.113.9")) == address("203.0.113.9")


def test_named_header_is_believed_and_no_other(settings: Settings) -> None:
    settings.CLIENT_ADDRESS_HEADER = "cf-connecting-ip"
    headers = [("x-real-ip", "198.51.100.1"), ("x-forwarded-for", "198.51.100.2"), ("cf-connecting-ip", "2001:db8::9")]
    assert address(PROXY, *headers) == address("2001:db8::9")
    assert address(PROXY, *headers[:2]) == address(PROXY)
    assert address("203.0.113.9", *headers) == address("203.0.113.9")


# --- X-Forwarded-For --------------------------------------------------------------------------------

# The values that reach the server, in the proxies' documented forms; INVENTED is what the client sent itself.
INVENTED, CLIENT = "198.51.100.66", "203.0.113.9"
DOCUMENTED = {
    # https://devcenter.heroku.com/articles/http-routing#heroku-headers: the router adds the address at the end.
    "Heroku": ("10.1.23.45", [CLIENT]),
    "Heroku, after an invention": ("10.1.23.45", [f"{INVENTED}, {CLIENT}"]),
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html: append, the default;
    # IPv6 as it is; with routing.http.xff_client_port.enabled the port as well.
    "AWS": ("10.0.3.4", [CLIENT]),
    "AWS, after an invention": ("10.0.3.4", [f"{INVENTED}, {CLIENT}"]),
    "AWS, with the client's port": ("10.0.3.4", [f"{CLIENT}:443"]),
    "AWS, IPv6": ("10.0.3.4", ["2001:DB8:0:9::1"]),
    "AWS, IPv6 with the client's port": ("10.0.3.4", ["[2001:db8:0:9::1]:8080"]),
    "CloudFront before AWS": ("10.0.3.4", [f"{INVENTED}, {CLIENT}, 130.176.0.7"]),
    "HAProxy's second line": ("10.0.0.2", [INVENTED, CLIENT]),
    "a chain of trusted proxies": ("10.0.0.2", [f"{INVENTED}, {CLIENT}, 10.9.9.9", "10.8.8.8"]),
}


@pytest.mark.parametrize(("peer", "values"), DOCUMENTED.values(), ids=DOCUMENTED)
def test_forwarded_for_is_read_from_the_right(settings: Settings, peer: str, values: list[str]) -> None:
    settings.CLIENT_ADDRESS_HEADER = FORWARDED_FOR
    # CloudFront's own network besides (https://d7uri8nf7uskq.cloudfront.net/tools/list-cloudfront-ips).
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8"), ip_network("130.176.0.0/16")]
    found = address(peer, *((FORWARDED_FOR, value) for value in values))
    assert found == address("2001:db8:0:9::1" if "DB8" in values[0].upper() else CLIENT)


@pytest.mark.parametrize(
    "value", ["", "unknown", "203.0.113.9, unknown", "203.0.113.9,", "_hidden", "\xff\xfe", "," * 5000]
)
def test_forwarded_for_counts_for_the_last_proxy_that_is_known(settings: Settings, value: str) -> None:
    settings.CLIENT_ADDRESS_HEADER = FORWARDED_FOR
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8")]
    assert address("10.0.0.2", (FORWARDED_FOR, value)) == address("10.0.0.2")
    assert address("10.0.0.2", (FORWARDED_FOR, f"{value}, 10.0.0.3")) == address("10.0.0.3")


def test_forwarded_for_of_a_stranger_is_not_believed(settings: Settings) -> None:
    settings.CLIENT_ADDRESS_HEADER = FORWARDED_FOR
    assert address("203.0.113.9", (FORWARDED_FOR, "198.51.100.1")) == address("203.0.113.9")


def test_trusted_proxies_are_a_setting(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = []
    assert address(PROXY, ("x-real-ip", "203.0.113.9")) == address(PROXY)
