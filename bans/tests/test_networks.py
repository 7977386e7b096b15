from ipaddress import IPv4Address, IPv6Address

import pytest

from bans.networks import NOWHERE, BadNetworkError, number_of, parse, prefix_of


@pytest.mark.parametrize(
    ("text", "network"),
    [
        (" 203.0.113.7 ", "203.0.113.7/32"),
        ("203.0.113.7/24", "203.0.113.0/24"),
        ("::ffff:203.0.113.7", "203.0.113.7/32"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("10.0.0.0/8", "10.0.0.0/8"),
    ],
)
def test_network_has_one_spelling(text: str, network: str) -> None:
    assert str(parse(text)) == network


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Write an address"),
        ("alice", "Write an address"),
        ("203.0.113.7:443", "Write an address"),
        ("203.0.113.0/33", "Write an address"),
        ("0.0.0.0/0", "of /8 or narrower"),
        ("::ffff:0:0/96", "of /8 or narrower"),
        ("2000::/3", "of /16 or narrower"),
        ("::1", "All IPv4 addresses"),
        ("::/64", "All IPv4 addresses"),
        ("::ffff:0:0/95", "All IPv4 addresses"),
        ("fe80::1%eth0", "Write an address"),
        ("2001:db8::%a-zone-that-is-longer-than-its-column/64", "Write an address"),
    ],
)
def test_what_is_no_network_to_ban_is_explained(text: str, sentence: str) -> None:
    with pytest.raises(BadNetworkError, match=sentence):
        parse(text)


def test_both_versions_are_numbers_of_one_kind() -> None:
    mapped = IPv6Address("::ffff:203.0.113.7")
    assert number_of(IPv4Address("203.0.113.7")) == number_of(mapped) == int(mapped)
    assert number_of(None) == NOWHERE
    assert (prefix_of(parse("203.0.113.7")), prefix_of(parse("2001:db8::/32"))) == (128, 32)
