"""Conversion between Python values and the arguments and replies of the registry's scripts. Pure: no I/O."""

from collections.abc import Container
from typing import Any, NamedTuple

from signaling.protocol.calls import TRANSITIONS, Leg, Role, State
from signaling.registry.outcomes import Ended, Joined, OpenCall

# The rows that each action has in `TRANSITIONS`, as words for `advance.lua`: the rule has one place.
TRANSITION_ROWS = {
    action: [
        word
        for (state, role), following in rows.items()
        for word in (state.value, role.value, "" if following is None else following.value)
    ]
    for action, rows in TRANSITIONS.items()
}


class Restored(NamedTuple):
    """A restore's outcome: as of a join, and the calls that only Redis knew, which ended."""

    joined: Joined | None
    ended: list[Ended]


def encode_legs(legs: dict[str, Leg], placing: Container[str]) -> list[str]:
    """Flatten a client's calls into strings for a script: callId, role, peer and state of each; "" for `placing`."""
    return [
        word
        for call_id, leg in legs.items()
        for word in (call_id, leg.role.value, leg.peer, "" if call_id in placing else leg.state.value)
    ]


def decode_legs(flat: list[bytes]) -> dict[str, Leg]:
    """Read a client's calls from what `join.lua` replied."""
    words = iter(value.decode() for value in flat)
    return {
        call_id: Leg(peer, Role(role), State(state))
        for call_id, role, peer, state in zip(words, words, words, words, strict=False)
    }


def decode_leg(reply: list[bytes]) -> Leg:
    """Read the leg that `advance.lua` replied."""
    peer, role, state = (value.decode() for value in reply)
    return Leg(peer, Role(role), State(state))


def decode_ended(entry: list[bytes]) -> Ended:
    """Read a call that a script ended."""
    call_id, reason, *recipients = (value.decode() for value in entry)
    return Ended(call_id, reason, tuple(recipients))


def decode_open_call(entry: list[Any]) -> OpenCall:
    """Read a call that `open_calls.lua` listed."""
    *names, state, age_ms = entry
    call_id, caller, callee = (name.decode() for name in names)
    return OpenCall(call_id, caller, callee, State(state.decode()), age_ms / 1000)


def decode_counts(reply: list[Any]) -> dict[str, int]:
    """Read numbers by process from a flat list of pairs."""
    pairs = iter(reply)
    return {process.decode(): int(number) for process, number in zip(pairs, pairs, strict=True)}
