"""Limits, sentences and names of both registries."""

import secrets
import time

# The window in which new connections of one address are counted (PROTOCOL.md, "Limits").
ARRIVALS_SECONDS = 60

USED_CALL_ID = "This callId is used already; choose another, or leave it out."
TOO_MANY_CALLS = ("You have as many open calls as a client may have; end one first.", 1.0)
TOO_MUCH_HELD = ("Your peer is reconnecting and as much waits for it as may; send this again.", 1.0)


def is_named(text: str, *names: str) -> bool:
    """Return whether one of the names contains the text, in any case."""
    wanted = text.lower()
    return any(wanted in name.lower() for name in names)


def new_connection_id() -> str:
    """Make a connection's ID: a letter, when it came in microseconds, 32 random bits; older ones sort before newer."""
    return f"t{time.time_ns() // 1000:014x}{secrets.token_hex(4)}"
