"""Any steps have the same outcomes on both registries."""

import asyncio
from typing import Any

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from signaling.delivery.events import Event
from signaling.protocol.calls import (
    Action,
)
from signaling.protocol.closing import Hold
from signaling.protocol.errors import (
    ProtocolError,
)
from signaling.protocol.limits import Limits
from signaling.registry.contract import Registry, SupersededError
from signaling.registry.memory import MemoryRegistry
from signaling.registry.outcomes import Claim, Released, Status
from signaling.registry.tests.both import (
    CALL,
    OF_THE_PROCESS,
    TIMEOUTS,
    arrives_late,
    candidate,
    changed,
    names_in,
    owner_of,
)
from signaling.tests.stage import Clock, RedisProcess, message, new_prefix

NAMES = st.sampled_from(["alice", "bob", "carol"])

NUMBERS = st.integers(1, 3)

CALL_IDS = st.sampled_from([f"{CALL}-{number}" for number in range(3)])

STATES = st.sampled_from(["", "ringing", "active", None])

TEXTS = st.builds(lambda letter, size: letter * size, st.sampled_from(["x", "\u00e9"]), st.sampled_from([1, 30_000]))

EVENTS = st.one_of(
    st.builds(
        lambda call_id, state, text: candidate(call_id, text) if state is None else changed(call_id, state, text),
        CALL_IDS,
        STATES,
        TEXTS,
    ),
    st.builds(lambda text: message(text * 4), TEXTS),
)


class Twins(RuleBasedStateMachine):
    """The same steps on both registries, which must have the same outcomes."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = Clock()
        self.owners: dict[str, int] = {}
        self.open: list[str] = []

    @initialize()
    def start(self) -> None:
        self.loop.run_until_complete(self.connect())

    async def connect(self) -> None:
        limits = Limits(connections_per_ip=2, new_connections_per_ip_per_minute=3, open_calls_per_client=2)
        self.memory = MemoryRegistry(limits, TIMEOUTS, self.clock)
        self.process = RedisProcess(self.url, new_prefix(), self.clock, limits, TIMEOUTS)
        await self.process.link.start(self.process)
        await self.process.registry.renew_lease(0)

    def both(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Do the same step on both; returns the outcome."""

        async def outcome(registry: Registry) -> Any:
            try:
                return comparable(await getattr(registry, method)(*arguments, **options))
            except SupersededError as error:
                return type(error)
            except ProtocolError as error:
                return error.code, error.sentence, error.retry_after_seconds

        memory = self.loop.run_until_complete(outcome(self.memory))
        redis = self.loop.run_until_complete(outcome(self.process.registry))
        assert memory == redis, f"{method}{arguments}: {memory} in memory, {redis} in Redis"
        return memory

    @rule(name=NAMES, number=NUMBERS, is_first=st.booleans())
    def claim(self, name: str, number: int, is_first: bool) -> None:  # noqa: FBT001 -- drawn
        claim = self.both("claim", name, owner_of(name, number), is_first=is_first)
        if isinstance(claim, Claim) and claim.holder is None:
            self.owners[name] = number

    @rule(name=NAMES, number=NUMBERS)
    def join(self, name: str, number: int) -> None:
        self.both("join", name, owner_of(name, number))

    @rule(name=NAMES, number=NUMBERS, strays=st.lists(EVENTS, max_size=12), hold=st.sampled_from(Hold))
    def release(self, name: str, number: int, strays: list[Event], hold: Hold) -> None:
        if self.both("release", name, owner_of(name, number), strays, hold=hold) is not None:
            del self.owners[name]

    @rule(name=NAMES, number=NUMBERS)
    def evict(self, name: str, number: int) -> None:
        self.both("evict", name, owner_of(name, number).connection_id)
        if self.owners.get(name) == number:
            del self.owners[name]

    @rule(name=NAMES, event=EVENTS)
    def hold(self, name: str, event: Event) -> None:
        self.both("hold", name, event)

    @rule(name=NAMES, events=st.lists(EVENTS, max_size=6))
    def deliver_late(self, name: str, events: list[Event]) -> None:
        for registry in (self.memory, self.process.registry):
            self.loop.run_until_complete(arrives_late(registry, name, events))

    @precondition(lambda self: self.owners)
    @rule(call_id=CALL_IDS, data=st.data(), callee=NAMES, is_chosen=st.booleans())
    def open_call(self, call_id: str, data: st.DataObject, callee: str, is_chosen: bool) -> None:  # noqa: FBT001 -- drawn
        caller = data.draw(st.sampled_from(sorted(self.owners)))
        if caller != callee:
            self.both("open_call", call_id, caller, callee, is_chosen=is_chosen)

    @rule(call_id=CALL_IDS, name=NAMES, action=st.sampled_from(Action))
    def advance(self, call_id: str, name: str, action: Action) -> None:
        self.both("advance", call_id, name, action)

    @rule(seconds=st.sampled_from([0.001, 1, 4.999, 5, 29.999, 30, 60]))
    def wait(self, seconds: float) -> None:
        self.clock.move(seconds)
        self.loop.run_until_complete(self.process.registry.renew_lease(0))

    @rule()
    def sweep(self) -> None:
        self.both("sweep")

    @rule(address=st.sampled_from(["here", "there"]))
    def admit(self, address: str) -> None:
        if self.both("admit", address):
            self.open.append(address)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def depart(self, data: st.DataObject) -> None:
        self.both("depart", self.open.pop(data.draw(st.integers(0, len(self.open) - 1))))

    @invariant()
    def counts_agree(self) -> None:
        self.both("status")
        self.both("who_is_online", ["alice", "bob", "carol", "nobody"])

    def teardown(self) -> None:
        """Whatever happened, in the end nothing is left."""
        try:
            for name, number in list(self.owners.items()):
                self.release(name, number, [], hold=Hold.NONE)
            for address in self.open:
                self.both("depart", address)
            self.wait(60)
            self.sweep()
            self.wait(60)
            self.sweep()
            assert names_in(self.memory) == set()
            keys = self.loop.run_until_complete(self.process.keys())
            assert {key for key in keys if not key.startswith("arrivals:")} <= OF_THE_PROCESS
        finally:
            self.loop.run_until_complete(self.process.link.stop())
            self.loop.run_until_complete(asyncio.sleep(0))
            self.loop.close()


def comparable(outcome: Any) -> Any:
    """Leave out what may differ: the order of ended calls, and when connections are counted."""
    if isinstance(outcome, Released):
        return sorted(outcome.ended, key=lambda ended: ended.call_id), outcome.successor, outcome.dropped
    if isinstance(outcome, list):
        # Who rang out is told in any order.
        return sorted(outcome, key=lambda ended: ended.call_id)
    if isinstance(outcome, Status):
        return outcome.registered_clients, outcome.ringing_calls, outcome.active_calls
    return outcome


def test_registries_do_the_same(redis_url: str) -> None:
    class TwinsHere(Twins):
        url = redis_url

    run_state_machine_as_test(
        TwinsHere,
        settings=hypothesis.settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )
