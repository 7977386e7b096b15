from ipaddress import ip_address

from bans.networks import NOWHERE, number_of
from bans.table import BanTable, Row

NOW = 1000.0


def seconds(table: BanTable, address: str, now: float = NOW) -> float:
    return table.network_seconds(number_of(ip_address(address)), now)


def test_client_id_is_banned_until_its_time() -> None:
    table = BanTable()
    row = Row(1, "alice", "", NOW + 60)
    assert table.apply([row], NOW) == [row]
    assert (table.client_seconds("alice", NOW), table.client_seconds("Alice", NOW)) == (60, 0)
    # It ends by itself, without a look.
    assert table.client_seconds("alice", NOW + 60) == 0


def test_ban_that_is_known_is_not_new() -> None:
    table = BanTable()
    row = Row(1, "alice", "", NOW + 60)
    table.apply([row], NOW)
    assert table.apply([row], NOW) == []


def test_network_is_banned_with_all_its_addresses_and_no_others() -> None:
    table = BanTable()
    table.apply([Row(1, "", "203.0.113.0/24", NOW + 60), Row(2, "", "2001:db8:1:2::/64", NOW + 30)], NOW)
    assert seconds(table, "203.0.113.255") == 60
    assert seconds(table, "203.0.112.255") == seconds(table, "203.0.114.0") == 0
    assert seconds(table, "2001:db8:1:2:ffff::") == 30
    assert seconds(table, "2001:db8:1:3::") == 0
    assert table.network_seconds(NOWHERE, NOW) == 0


def test_of_several_bans_the_longest_counts_and_each_is_lifted_by_itself() -> None:
    table = BanTable()
    table.apply([Row(1, "", "203.0.113.0/24", NOW + 60), Row(2, "", "203.0.113.7/32", NOW + 90)], NOW)
    table.apply([Row(3, "alice", "", NOW + 60), Row(4, "alice", "", NOW + 90)], NOW)
    assert (seconds(table, "203.0.113.7"), table.client_seconds("alice", NOW)) == (90, 90)
    lifted = [Row(2, "", "203.0.113.7/32", NOW + 90, is_lifted=True), Row(4, "alice", "", NOW + 90, is_lifted=True)]
    assert table.apply(lifted, NOW) == []
    assert (seconds(table, "203.0.113.7"), table.client_seconds("alice", NOW)) == (60, 60)
    assert (table.clients, table.networks) == (1, 1)


def test_bans_that_ended_are_dropped() -> None:
    table = BanTable()
    table.apply([Row(1, "alice", "", NOW + 60), Row(2, "", "203.0.113.0/24", NOW + 60)], NOW)
    assert table.apply([Row(3, "bob", "", NOW - 1)], NOW) == []
    assert (table.clients, table.networks) == (1, 1)
    table.apply([], NOW + 60)
    assert (table.clients, table.networks) == (0, 0)
