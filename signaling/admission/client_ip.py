"""The address that a connection counts for, as a pseudonym (PROTOCOL.md, "Limits")."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from signaling.admission.pseudonym import pseudonym

# A customer of an Internet provider has all addresses of a /64.
IPV6_PREFIX = 64


def address_of(scope: dict[str, Any]) -> str:
    """Return the keyed hash that stands for the client's IP address (IPv6: its /64) in limits and logs.

    `X-Real-IP` is read only from a trusted proxy, as any client can send one.
    """
    claims = (value.decode("latin-1") for name, value in scope["headers"] if name == b"x-real-ip")
    return _pseudonym((scope.get("client") or ("",))[0], claims)


def address_of_request(request: HttpRequest) -> str:
    """Return the keyed hash of an HTTP client's IP address, as `address_of` does."""
    return _pseudonym(request.META.get("REMOTE_ADDR", ""), [request.META.get("HTTP_X_REAL_IP", "")])


def _pseudonym(client: str, claims: Iterable[str]) -> str:
    peer = _parse(client)
    if peer is not None and any(peer in network for network in settings.TRUSTED_PROXIES):
        for claim in claims:
            peer = _parse(claim.strip()) or peer
    if isinstance(peer, IPv6Address):
        return pseudonym(str(IPv6Network((peer, IPV6_PREFIX), strict=False)))
    return pseudonym(str(peer))


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
