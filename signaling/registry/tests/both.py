"""What tests of both registries share: a registry with its time, and clients on it."""

import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from signaling.delivery.events import Event
from signaling.protocol.calls import (
    Action,
    Leg,
    State,
)
from signaling.protocol.errors import RateLimitedError
from signaling.protocol.limits import Limits, Timeouts
from signaling.registry.contract import Registry
from signaling.registry.memory import MemoryRegistry
from signaling.registry.outcomes import Claim, Owner
from signaling.tests.stage import Clock, message

CALL = "call-of-this-test"
TAKEN = Claim(None, None)
LIMITS = Limits(connections_per_ip=3, new_connections_per_ip_per_minute=5, open_calls_per_client=8)
TIMEOUTS = Timeouts(ring_seconds=60, hold_seconds=30)
# What a process has in Redis for as long as it runs, and what ends by itself after a minute.
OF_THE_PROCESS = {"epoch", "processes", "connections", "formats"}


@dataclass
class Stage:
    """A registry, the time it goes by, and what it still remembers."""

    registry: Registry
    clock: Clock
    left: Callable[[], Awaitable[set[str]]]
    # Keeps the process alive whose time a test moves.
    renew: Callable[[], Awaitable[object]]


def names_in(registry: MemoryRegistry) -> set[str]:
    """Everything that a memory registry still remembers."""
    parts = dict(vars(registry))
    parts |= vars(parts["_addresses"])
    names = ("_clients", "_ringing", "_holds", "_calls", "_connections", "_arrivals")
    return {f"{name}:{key}" for name in names for key in parts[name]}


def candidate(call_id: str, text: str = "") -> Event:
    """Make the event that carries a candidate for a call."""
    return message(json.dumps({"type": "ICE_CANDIDATE", "payload": {"callId": call_id, "candidate": text}}))


def changed(call_id: str, state: str, text: str = "") -> Event:
    """Make the event that says that a call is in this state now; "": it ended."""
    return message(f"{call_id} {state} {text}") | {"changes": [call_id, state, "peer"]}


async def arrives_late(registry: Registry, client_id: str, events: list[Event]) -> None:
    """Deliver what an older connection still has to a client that nobody reaches, so that it waits."""
    for event in await registry.deliver_late(client_id, events):
        with contextlib.suppress(RateLimitedError):
            await registry.hold(client_id, event)


def owner_of(client_id: str, number: int = 1) -> Owner:
    return Owner(f"{client_id}-{number}", f"channel.{client_id}.{number}")


async def online(registry: Registry, client_id: str, number: int = 1) -> Owner:
    """Connect a client that nobody else has connected."""
    owner = owner_of(client_id, number)
    assert await registry.claim(client_id, owner) == TAKEN
    assert await registry.join(client_id, owner) is not None
    return owner


async def held_by(registry: Registry, client_id: str, number: int = 2) -> list[str]:
    """Reconnect a client; returns the frames that waited for it."""
    owner = owner_of(client_id, number)
    assert await registry.claim(client_id, owner) == TAKEN
    joined = await registry.join(client_id, owner)
    assert joined is not None
    return [event["frame"] for event in joined.held]


async def legs_of(registry: Registry, owner: Owner, client_id: str) -> dict[str, Leg]:
    joined = await registry.join(client_id, owner)
    assert joined is not None
    return joined.legs


async def call(registry: Registry, state: State = State.RINGING, call_id: str = CALL) -> tuple[Owner, Owner]:
    """Have Alice call Bob; returns their connections."""
    alice, bob = await online(registry, "alice"), await online(registry, "bob")
    await registry.open_call(call_id, "alice", "bob")
    if state is State.ACTIVE:
        await registry.advance(call_id, "bob", Action.ANSWER)
    return alice, bob
