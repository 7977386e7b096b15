"""The address that a client counts for, as a pseudonym (PROTOCOL.md, "Limits").

A trusted proxy vouches for one header, the one that CLIENT_ADDRESS_HEADER names: it sets that header itself. Whatever
else a request carries may be the client's own invention, which a proxy passes on as it came.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, TypeAlias

from django.conf import settings
from django.http import HttpRequest

from signaling.admission.pseudonym import pseudonym

Address: TypeAlias = IPv4Address | IPv6Address

# A customer of an Internet provider has all addresses of a /64.
IPV6_PREFIX = 64
# The one header that is a list, to which each proxy adds the address that connected to it.
FORWARDED_FOR = "x-forwarded-for"
# Railway's edge (RFC 6598), which sets X-Real-IP. No other network has a header by default.
RAILWAY_EDGE = IPv4Network("100.64.0.0/10")
RAILWAY_HEADER = "x-real-ip"


def address_of(scope: dict[str, Any]) -> str:
    """Return the keyed hash that stands for the client's IP address (IPv6: its /64) in limits and logs."""
    return pseudonym_of(client_address_in(scope))


def client_address_in(scope: dict[str, Any]) -> Address | None:
    """Return the address of a client that opens a connection."""
    peer = parse((scope.get("client") or ("",))[0])
    if not is_trusted(peer):
        return peer
    wanted = header().encode()
    return behind_proxies(peer, [value.decode("latin-1") for name, value in scope["headers"] if name == wanted])


def address_of_request(request: HttpRequest) -> str:
    """Return the keyed hash of an HTTP client's IP address, as `address_of` does."""
    return pseudonym_of(client_address_of(request))


def client_address_of(request: HttpRequest) -> Address | None:
    """Return an HTTP client's address; Django has joined a header that came several times."""
    peer = parse(request.META.get("REMOTE_ADDR", ""))
    if not is_trusted(peer):
        return peer
    value = request.headers.get(header())
    return behind_proxies(peer, [] if value is None else [value])


def header() -> str:
    """Return the header that trusted proxies vouch for, in lower case; empty for none."""
    if settings.CLIENT_ADDRESS_HEADER:
        return str(settings.CLIENT_ADDRESS_HEADER)
    return "" if needs_header() else RAILWAY_HEADER


def needs_header() -> bool:
    """Return whether proxies are trusted of which nobody said what header they set."""
    return not settings.CLIENT_ADDRESS_HEADER and any(
        not (isinstance(network, IPv4Network) and network.subnet_of(RAILWAY_EDGE))
        for network in settings.TRUSTED_PROXIES
    )


def behind_proxies(peer: Address | None, values: Iterable[str]) -> Address | None:
    """Return the client's address, from that of a trusted peer and the values of its header in their order.

    A list is read from the right, past the proxies that are trusted, as far as it has addresses. Any other header has
    one value: of two a proxy has passed one on, and nobody can tell which. Where nothing is vouched for, the peer
    counts.
    """
    address = peer
    claims = ",".join(values).split(",")
    if header() != FORWARDED_FOR:
        return (parse(claims[0]) or address) if len(claims) == 1 else address
    for claim in reversed(claims):
        before = parse(claim)
        if before is None:
            break
        address = before
        if not is_trusted(before):
            break
    return address


def is_trusted(address: Address | None) -> bool:
    """Return whether an address is a trusted proxy's."""
    return address is not None and any(address in network for network in settings.TRUSTED_PROXIES)


def parse(text: str) -> Address | None:
    """Read an address as proxies write it: bare, in brackets, or with a port; None for anything else."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def pseudonym_of(address: Address | None) -> str:
    """Return the keyed hash that stands for an address (IPv6: its /64)."""
    if isinstance(address, IPv6Address):
        return pseudonym(str(IPv6Network((address, IPV6_PREFIX), strict=False)))
    return pseudonym(str(address))
