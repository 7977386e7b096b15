"""Any sequence again, with pings: some are answered, some late, some never, and lines end with what they kept.

To the server a dead line is a client that answers no ping, and so is one that never does; a page in a back/forward
cache is one that answers them and says nothing. Each connection is told exactly what the model says, in its order: what
is unproved comes again on the next one, and never twice on one.
The runs are the same each time; MODEL_EXAMPLES=1000 makes as many new ones.
"""

import time
from collections import defaultdict
from random import Random

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from pytest_django import Settings

from signaling.connections.connection import Connection
from signaling.connections.proofs import NO_PONG_SECONDS, Pongs
from signaling.protocol.limits import Timeouts
from signaling.tests.model import Message, Model
from signaling.tests.processes import Line
from signaling.tests.stage import new_prefix, use_redis
from signaling.tests.test_protocol import DICE, LIMITS, NAME, TRIES, Signaling, Step, run

# So far from the bounds, which are others' to test, that nothing on its way counts.
MOST_WRITTEN = 150
# A hundred in all.
SCHEDULES, SCHEDULES_ACROSS, STEPS = 70, 30, 25


class Proving(Signaling):
    """Four people who may answer pings."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(LIMITS.open_calls_per_client, Timeouts(), can_ping=True)

    def line(self, number: int) -> Line:
        """Connect to one of the processes."""
        return Line(self.processes[number % self.process_count], can_ping=True)

    def connection_of(self, name: str) -> Connection:
        """Find the connection that has an ID, in the process of its line."""
        connections = self.lines[name].process.node.members.connections()
        (found,) = (one for one in connections if one.client_id == name)
        return found

    def believe(self) -> None:
        """Note of whom the server takes for one that answers no ping: it has read all."""
        for name in self.lines:
            if self.connection_of(name).pongs is Pongs.NONE:
                self.model.clients[name].is_pinged = False
                self.model.prove(name, self.model.clients[name].written)

    def is_told(self, *, in_order: bool = True) -> None:
        """Everybody is told what the model says, and who answers no ping is known."""
        super().is_told(in_order=in_order)
        self.believe()

    def has_room(self, name: str, count: int) -> bool:
        """Whether a client stays far from the bounds, with so many messages more."""
        client = self.model.clients[name]
        return client.written + len(client.waiting) + count < MOST_WRITTEN

    # --- Pings ------------------------------------------------------------------------------------------------

    @rule(is_long_ago=st.booleans())
    def make_a_round(self, is_long_ago: bool) -> None:  # noqa: FBT001 -- drawn
        """Ping whoever has something unproved; now, or as if it had been long ago."""
        for process in self.processes:
            process.run(process.node.relay.proofs.ask(time.monotonic() - is_long_ago * NO_PONG_SECONDS))
        self.is_told()

    @precondition(lambda self: self.lines)
    @rule(dice=DICE, is_asked=st.booleans())
    def answer_a_ping(self, dice: Random, is_asked: bool) -> None:  # noqa: FBT001 -- drawn
        """Answer the last ping, at once or late, with no word besides, as a page in a back/forward cache does."""
        name = self.pick(dice)
        if is_asked:
            self.make_a_round(is_long_ago=False)
        self.believe()
        relayed = self.lines[name].pong()
        if relayed is not None and self.model.clients[name].is_pinged:
            self.model.prove(name, relayed)

    @precondition(lambda self: self.lines)
    @rule(dice=DICE)
    def talk_without_answering_pings(self, dice: Random) -> None:
        """Be taken for a client that answers none, unless one was answered before."""
        name = self.pick(dice)
        self.make_a_round(is_long_ago=True)
        assert self.lines[name].settle() == ([], True)
        self.make_a_round(is_long_ago=False)

    # --- Processes that die -----------------------------------------------------------------------------------

    @precondition(lambda self: self.lines)
    @rule(dice=DICE, count=st.integers(0, 3), number=st.integers(0, 1))
    def come_back_from_a_process_that_died(self, dice: Random, count: int, number: int) -> None:
        """What it kept is lost, but what rings rings again, where the caller's connection lives."""
        name = self.pick(dice)
        rings = [
            (call_id, call.caller)
            for call_id, call in self.model.calls.items()
            if (call.callee, call.state) == (name, "ringing")
        ]
        if not {caller for _, caller in rings} <= self.lines.keys() or not self.has_room(name, count):
            return
        line = self.lines.pop(name)
        line.process.run(self.lose(line, name))
        self.model.crash(name)
        self.goes(line, 1006)
        for call_id, caller in rings:
            for _ in range(count):
                step = Step("candidate", caller, call_id, self.new("candidate"))
                self.lines[caller].post(step.message())
                assert step.do(self.model) == []
        self.is_told()
        line = self.lines[name] = self.line(number)
        line.post(("REGISTER", {"clientId": name}))
        answer, *expected = self.model.register(name)
        first, *came = line.read(1 + len(expected))
        # Callers answer in any order.
        assert (first, by_call(came)) == (answer, by_call(expected))
        self.model.note_order(name, came)
        self.is_told()

    async def lose(self, line: Line, name: str) -> None:
        """Lose what a connection kept."""
        relay = line.process.node.relay
        for connection in line.process.node.members.connections():
            if connection.client_id == name:
                relay.proofs.take(connection)
                relay.copies.take(connection)

    # --- What is another with pings ---------------------------------------------------------------------------

    @rule(name=NAME, count=st.integers(2, 4), number=st.integers(0, 1))
    def register_several_at_once(self, name: str, count: int, number: int) -> None:
        """One of them has the ID in the end, and each that had it was told the same."""
        rivals = [self.line(number + index) for index in range(count)]
        for line in rivals:
            line.post(("REGISTER", {"clientId": name}))
        came = {line: list[tuple[str, dict[str, object]]]() for line in rivals}
        open_lines = [*rivals, *([self.lines[name]] if name in self.lines else [])]
        came |= {line: [] for line in open_lines}
        for _ in range(TRIES):
            if len(open_lines) == 1:
                break
            for line in tuple(open_lines):
                news, is_open = line.settle()
                came[line] += news
                if not is_open:
                    open_lines.remove(line)
                    line.hang_up(4409)
                    line.is_gone()
        (winner,) = open_lines
        assert winner in rivals
        news, _ = winner.settle()
        came[winner] += news
        expected = self.model.register(name)
        assert came.pop(winner) == expected
        # One that was superseded while it joined was told so far that it had joined.
        assert [told for told in came.values() if told not in ([], expected[:1], expected)] == []
        self.lines[name] = winner
        self.is_told()

    @precondition(lambda self: self.lines)
    @rule(dice=DICE, count=st.sampled_from([1, 3, 30]))
    def send_candidates(self, dice: Random, count: int) -> None:
        """A burst arrives in order, or waits."""
        who = self.pick(dice)
        calls = [one for one in self.model.calls_of(who) if self.has_room(self.model.calls[one].peer_of(who), count)]
        if not calls:
            return
        call_id = dice.choice(calls)
        steps = [Step("candidate", who, call_id, self.new("candidate")) for _ in range(count)]
        self.lines[who].post(*(step.message() for step in steps))
        assert [message for step in steps for message in step.do(self.model)] == []
        assert self.lines[who].settle() == ([], True)
        self.is_told()


def by_call(messages: list[Message]) -> dict[str, list[Message]]:
    """Sort messages by their call, each call's in their order."""
    calls = defaultdict(list)
    for message in messages:
        calls[message[1]["callId"]].append(message)
    return calls


def test_any_sequence_with_pings_in_one_process_is_as_the_model_says(settings: Settings) -> None:
    settings.LIMITS, settings.TIMEOUTS = LIMITS, Timeouts()
    run(Proving, SCHEDULES, STEPS)


def test_any_sequence_with_pings_across_two_processes_is_as_the_model_says(settings: Settings, redis_url: str) -> None:
    settings.LIMITS, settings.TIMEOUTS = LIMITS, Timeouts()

    class Spread(Proving):
        process_count = 2

        def before(self) -> None:
            use_redis(settings, redis_url, new_prefix())

    run(Spread, SCHEDULES_ACROSS, STEPS)
