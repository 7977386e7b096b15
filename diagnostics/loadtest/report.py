"""The result of a load for people: a table, and what to do about what it shows."""

from collections.abc import Iterator, Mapping

from diagnostics.loadtest.account import Account, percentiles, rate

NAME_WIDTH = 22
TOO_MANY = 4429

WAYS_OUT = {
    "address": (
        "The server takes no more connections from this address: for the test set LIMIT_CONNECTIONS_PER_IP and "
        "LIMIT_NEW_CONNECTIONS_PER_IP_PER_MINUTE to 0 where it runs."
    ),
    "rate": (
        "RATE_LIMITED: clients sent more than they may. Give the load more --clients, or raise LIMIT_MESSAGE_BURST and "
        "LIMIT_MESSAGES_PER_SECOND on the server."
    ),
    "saturated": (
        "This load client used all of its CPU: the figures tell of it as much as of the server. Ask for less, or run "
        "it on a machine of its own."
    ),
    "starved": (
        "This machine was busy with other work, so that the load client itself came late: part of every hop is its own "
        "waiting. Run it on a machine of its own."
    ),
    "late": "Calls started more slowly than asked: there were not enough free clients. Give the load more --clients.",
    "lost": "Messages that the server took did not arrive: look into its log, and at its CPU and Redis.",
}
# Below this share of the asked rate the load was another than the one asked for.
PUNCTUAL_SHARE = 0.95


def table(account: Account) -> Iterator[str]:
    """A line for each figure."""
    connect, hop = percentiles(account.connect_seconds), percentiles(account.hop_seconds)
    per_second = rate(account.connected, account.connecting_seconds)
    started = rate(account.calls_started, account.calling_seconds)
    yield _line("clients connected", f"{account.connected:,} of {account.clients:,}, {per_second:,} a second")
    yield _line("until registered", _times(connect))
    yield _line("calls", f"{account.calls_started:,} started, {account.calls_finished:,} finished")
    yield _line("calls a second", f"{started:,} of {account.calls_per_second:g} asked")
    yield _line("messages", f"{account.sent:,} sent, {len(account.hop_seconds):,} arrived")
    yield _line("lost", f"{account.lost:,}")
    yield _line("altered, out of order", f"{account.altered:,}, {account.out_of_order:,}")
    yield _line("hop", _times(hop))
    yield _line("errors by code", _counts(account.errors))
    yield _line("closes by code", _counts(account.closes))
    yield _line("this client's CPU", f"{account.cpu_share:.0%} of a core")
    yield _line("this client is late", _times(percentiles(account.late_seconds)))


def advice(account: Account) -> Iterator[str]:
    """Sentences on what was not well, and what to do about it."""
    for what, count in account.not_connected.most_common(3):
        yield f"{count:,} could not connect. {what}"
    if account.is_refused_by_address:
        yield WAYS_OUT["address"]
    elif account.errors["RATE_LIMITED"] or account.closes[TOO_MANY]:
        yield WAYS_OUT["rate"]
    if account.lost:
        yield WAYS_OUT["lost"]
    if account.is_saturated:
        yield WAYS_OUT["saturated"]
    elif account.is_starved:
        yield WAYS_OUT["starved"]
    elif account.calls_started and rate(account.calls_started, account.calling_seconds) < (
        account.calls_per_second * PUNCTUAL_SHARE
    ):
        yield WAYS_OUT["late"]


def _line(name: str, value: str) -> str:
    return f"{name:<{NAME_WIDTH}} {value}"


def _times(milliseconds: dict[str, float] | None) -> str:
    if milliseconds is None:
        return "none"
    return ", ".join(f"{name} {value:g} ms" for name, value in milliseconds.items())


def _counts(counts: Mapping[str, int] | Mapping[int, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"
