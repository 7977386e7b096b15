"""Networks that can be banned, and addresses as numbers of 128 bits, so that one table has both versions of IP."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

BITS = 128
# Where IPv6 has IPv4's addresses, ::ffff:0:0/96 (RFC 4291, section 2.5.5.2).
MAPPED = IPv6Network("::ffff:0:0/96")
# A wider one is a slip of the pen: it shuts out a part of the Internet.
LEAST_PREFIX = {4: 8, 6: 16}
# A customer of an Internet provider has all addresses of a /64.
MOST_IPV6_PREFIX = 64
# Of a client whose address is not known; no network has it.
NOWHERE = -1


class BadNetworkError(ValueError):
    """A text is no network that can be banned; the error's own is a sentence that says why."""


def parse(text: str) -> Network:
    """Read an address or a network; raises `BadNetworkError`.

    Host bits are dropped, and of IPv6 all beyond the /64.
    """
    try:
        # A zone (RFC 4007, section 11) is of one machine's own, and no client connects from it.
        network = ip_network("" if "%" in text else text.strip(), strict=False)
    except ValueError:
        raise BadNetworkError("Write an address or a network, such as 203.0.113.7 or 203.0.113.0/24.") from None
    network = unmapped(network)
    if isinstance(network, IPv6Network) and network.prefixlen > MOST_IPV6_PREFIX:
        network = network.supernet(new_prefix=MOST_IPV6_PREFIX)
    least = LEAST_PREFIX[network.version]
    if network.prefixlen < least:
        raise BadNetworkError(f"This network is too wide to ban; write one of /{least} or narrower.")
    if isinstance(network, IPv6Network) and network.overlaps(MAPPED):
        raise BadNetworkError("All IPv4 addresses are in this network, as IPv6 writes them; write a narrower one.")
    return network


def unmapped(network: Network) -> Network:
    """Return a network of IPv4 as such, also where it is written as IPv6 has it; any other as it is."""
    if not isinstance(network, IPv6Network) or not network.subnet_of(MAPPED):
        return network
    lowest = network.network_address.ipv4_mapped
    return IPv4Network((int(lowest or 0), network.prefixlen - MAPPED.prefixlen))


def number_of(address: Address | None) -> int:
    """Return an address as a number of 128 bits; `NOWHERE` for none."""
    if address is None:
        return NOWHERE
    return int(address) + (int(MAPPED.network_address) if isinstance(address, IPv4Address) else 0)


def prefix_of(network: Network) -> int:
    """Return the length of a network's prefix among numbers of 128 bits."""
    return network.prefixlen + BITS - network.max_prefixlen
