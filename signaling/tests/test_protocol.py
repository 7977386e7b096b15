"""Any sequence of what clients can do, against the real consumer: everybody is told what a simple model says.

What comes is compared message by message with what should, so nothing may come twice, out of order, or to a stranger.
The runs are the same each time; MODEL_EXAMPLES=2000 makes as many new ones.
"""

import copy
import itertools
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
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
from pytest_django import Settings

from signaling.delivery.events import group_of
from signaling.protocol.calls import HELD_MESSAGES
from signaling.protocol.closing import Hold, hold_after
from signaling.protocol.limits import Limits, Timeouts
from signaling.registry.outcomes import Status
from signaling.tests.model import Message, Model
from signaling.tests.processes import CLOSE, Line, Process
from signaling.tests.stage import Clock, new_prefix, use_redis

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "0"))
# Few, so that they are reached; no limit on messages, which would follow the real clock.
LIMITS = Limits(message_burst=0, open_calls_per_client=2, connections_per_ip=0, new_connections_per_ip_per_minute=0)
# As long as no lease of a process ends meanwhile.
STEP_SECONDS = 10
# Sums of these and of whole seconds are exact, from whenever a clock counts.
LITTLE_SECONDS = 2**-10
# For the newest of several connections to be the only one.
TRIES = 200
SUPERSEDED: Message = (CLOSE, {"code": 4409})

NAMES = ("alice", "bob", "carol", "dave")
CALL_IDS = [f"call-of-the-model-{number}" for number in range(4)]
ODD_CALL_IDS = ("short", "call-of-the-model-\u00fc", "call-of-the-model-0\n")
KINDS = ("initiate", "initiate", "accept", "accept", "reject", "end", "candidate", "candidate")
# None is said as `null`, or not at all.
REASONS = (None, None, "", "busy")
CANDIDATES = (None, "", {"candidate": None})
# How often somebody does what may well be allowed.
SENSIBLE = 0.85
# How often `null` is said where nothing would do.
SAID = 0.5
NAME = st.sampled_from(NAMES)
# What follows from where things stand is picked with these: processes race, so what is drawn must not depend on it.
DICE = st.integers(0, 2**32).map(Random)
UNKNOWN = '{"type":"NOPE"}'
JUNK = st.sampled_from([UNKNOWN, "", "null", "{", '{"type":7}', "[" * 300, b"", b'{"type":"HEARTBEAT"}', "\ud800"])


@dataclass(frozen=True)
class Step:
    """What a client may do to a call, and what it says with it."""

    kind: str
    client_id: str
    call_id: str
    said: Any = None
    target: str = ""
    is_null_said: bool = True

    def message(self) -> Message:
        """Make the message that does it."""
        field = {"initiate": "sdpOffer", "accept": "sdpAnswer", "candidate": "candidate"}.get(self.kind, "reason")
        is_said = self.said is not None or self.is_null_said
        payload = {"callId": self.call_id} | ({field: self.said} if is_said else {})
        message_type = "ICE_CANDIDATE" if self.kind == "candidate" else f"CALL_{self.kind.upper()}"
        return message_type, payload | ({"targetId": self.target} if self.target else {})

    def do(self, model: Model) -> list[Message]:
        """Do it to a model; returns the answer."""
        target = (self.target,) if self.target else ()
        answer: list[Message] = getattr(model, self.kind)(self.client_id, *target, self.call_id, self.said)
        return answer


class Signaling(RuleBasedStateMachine):
    """Four people on a server; each step ends when everybody has been told."""

    process_count = 1

    def __init__(self) -> None:
        super().__init__()
        self.before()
        self.clock = Clock()
        self.processes = [Process(self.clock) for _ in range(self.process_count)]
        self.model = Model(LIMITS.open_calls_per_client, Timeouts())
        self.lines: dict[str, Line] = {}
        self.numbers = itertools.count(1)

    def before(self) -> None:
        """Be a server of its own."""

    def line(self, number: int) -> Line:
        """Connect to one of the processes."""
        return Line(self.processes[number % self.process_count])

    def new(self, what: str) -> str:
        """Make something that is said once."""
        return f"{what} {next(self.numbers)}"

    def is_told(self, *, in_order: bool = True) -> None:
        """Everybody is told what the model says, and nothing else has come."""
        for process in self.processes:
            process.deliver()
        told, self.model.told = self.model.told, defaultdict(list)
        for client_id, messages in told.items():
            came = self.lines[client_id].read(len(messages))
            assert (came if in_order else sorted(came, key=repr)) == (
                messages if in_order else sorted(messages, key=repr)
            ), client_id
            self.model.note_order(client_id, came)
        assert {name: line.read_what_came() for name, line in self.lines.items()} == {name: [] for name in self.lines}

    # --- Connection life ----------------------------------------------------------------------------------

    @initialize()
    def start(self) -> None:
        for number, name in enumerate(("alice", "bob", "carol")):
            self.register(name, number)

    @rule(name=NAME, number=st.integers(0, 1))
    def register(self, name: str, number: int) -> None:
        line, older = self.line(number), self.lines.get(name)
        line.post(("REGISTER", {"clientId": name}))
        expected = self.model.register(name)
        assert line.read(len(expected)) == expected
        self.lines[name] = line
        if older is not None:
            self.has_to_go(older)
        self.is_told()

    def has_to_go(self, older: Line) -> list[Message]:
        """A superseded connection is closed; returns what it got before."""
        *came, last = older.read_up_to(CLOSE)
        assert last == SUPERSEDED
        older.hang_up(4409)
        older.is_gone()
        assert older.read_what_came() == []
        return came

    @rule(name=NAME, count=st.integers(2, 4), number=st.integers(0, 1))
    def register_several_at_once(self, name: str, count: int, number: int) -> None:
        """One of them has the ID in the end, and what waited came once."""
        rivals = [self.line(number + index) for index in range(count)]
        for line in rivals:
            line.post(("REGISTER", {"clientId": name}))
        came: list[Message] = []
        open_lines = [*rivals, *([self.lines[name]] if name in self.lines else [])]
        for _ in range(TRIES):
            if len(open_lines) == 1:
                break
            for line in tuple(open_lines):
                news, is_open = line.settle()
                came += news
                if not is_open:
                    open_lines.remove(line)
                    line.hang_up(4409)
                    line.is_gone()
        (self.lines[name],) = open_lines
        answer, *waiting = self.model.register(name)
        assert open_lines[0] in rivals
        assert answer in came
        # What rings does so on each of them that had the ID for a while.
        again = [message for message in came if message != answer]
        assert set(map(repr, again)) == set(map(repr, waiting))
        rings = self.model.still_ringing(name, waiting)
        others = [message for message in waiting if message not in rings]
        assert sorted((one for one in again if one in others), key=repr) == sorted(others, key=repr)
        self.is_told()

    @precondition(lambda self: self.lines)
    @rule(dice=DICE, code=st.sampled_from([1000, 1001, 1001, 1005, 1006, 1006, 1012, 3000]))
    def go(self, dice: Random, code: int) -> None:
        """Leave on purpose, which ends one's calls, or go away or be lost, which does not yet."""
        name = self.pick(dice)
        if hold_after(code) is Hold.NONE:
            self.model.leave(name)
        else:
            self.model.drop(name, hold_after(code))
        self.goes(self.lines.pop(name), code)

    def goes(self, line: Line, code: int) -> None:
        """A connection ends, and has been told nothing more."""
        line.hang_up(code)
        line.is_gone()
        assert line.read_what_came() == []
        self.is_told(in_order=False)

    @rule(number=st.integers(0, 1), junk=JUNK, name=NAME, other=NAME)
    def be_refused(self, number: int, junk: str | bytes, name: str, other: str) -> None:
        """Whoever did not register is refused everything else; whoever did keeps its ID."""
        line = self.line(number)
        line.post(Step("end", "", "call-of-the-model-0").message(), junk)
        came, is_open = line.settle()
        not_registered = {"code": "NOT_REGISTERED", "request": "CALL_END", "callId": "call-of-the-model-0"}
        assert came == [("ERROR", not_registered), ("ERROR", {"code": "INVALID_MESSAGE"} | named_in(junk))]
        assert is_open
        self.goes(line, 1000)
        if name in self.lines:
            self.lines[name].post(("REGISTER", {"clientId": other}), junk)
            came, is_open = self.lines[name].settle()
            refusal: Message = ("ERROR", {"code": "INVALID_MESSAGE", "request": "REGISTER"})
            assert came[:1] == [self.model.registered(name) if other == name else refusal]
            assert is_open

    @precondition(lambda self: self.lines)
    @rule(dice=DICE, number=st.integers(0, 1))
    def hear_of_something_unknown(self, dice: Random, number: int) -> None:
        """An event of another version changes nothing, whoever sends it to whom."""
        process = self.processes[number % self.process_count]
        name = self.pick(dice)
        assert process.run(process.node.layer.group_send(group_of(name), {"type": "client.of-the-future"})) == 1
        assert self.lines[name].settle() == ([], True)
        self.is_told()

    @rule(
        steps=st.sampled_from([1, 3, 6]),
        seconds=st.sampled_from([5 - LITTLE_SECONDS, 10 - LITTLE_SECONDS, STEP_SECONDS]),
    )
    def wait(self, steps: int, seconds: float) -> None:
        for _ in range(steps):
            self.clock.move(seconds)
            for process in self.processes:
                process.renew_lease()
            self.processes[0].sweep()
            self.model.wait(seconds)
            # Whatever ends at once is told in any order.
            self.is_told(in_order=False)

    # --- Calls ----------------------------------------------------------------------------------------------

    def pick(self, dice: Random) -> str:
        """Pick one of those who are connected."""
        return dice.choice(sorted(self.lines))

    def pick_step(self, dice: Random) -> Step:
        """Pick something that somebody does to a call: mostly what may be done, be it by them or not."""
        who, kind = self.pick(dice), dice.choice(KINDS)
        is_sensible = dice.random() < SENSIBLE
        call_id = dice.choice(CALL_IDS)
        if kind == "initiate":
            others = [name for name in sorted(self.lines) if name != who]
            target = dice.choice(others if others and is_sensible else NAMES)
            return Step(kind, who, call_id if is_sensible else dice.choice(ODD_CALL_IDS), self.new("offer"), target)
        if is_sensible and self.model.calls:
            call_id = dice.choice(list(self.model.calls))
            call = self.model.calls[call_id]
            able = {call.callee} if kind in {"accept", "reject"} else {call.caller, call.callee}
            who = dice.choice(sorted(able & self.lines.keys()) or [who])
        if kind in {"reject", "end"}:
            return Step(kind, who, call_id, dice.choice(REASONS), is_null_said=dice.random() < SAID)
        return Step(kind, who, call_id, dice.choice([self.new(kind), *(CANDIDATES if kind == "candidate" else ())]))

    @precondition(lambda self: self.lines)
    @rule(dice=DICE, count=st.integers(1, 5))
    def do_something(self, dice: Random, count: int) -> None:
        for _ in range(count):
            step = self.pick_step(dice)
            self.lines[step.client_id].post(step.message())
            came, is_open = self.lines[step.client_id].settle()
            assert (came, is_open) == (step.do(self.model), True)
            self.is_told()

    @precondition(lambda self: len(self.lines) > 1)
    @rule(dice=DICE, count=st.integers(1, 3))
    def call_without_a_call_id(self, dice: Random, count: int) -> None:
        """The server makes one that nobody has, and it replaces an earlier one."""
        for _ in range(count):
            self.call_once_without_a_call_id(dice)

    def call_once_without_a_call_id(self, dice: Random) -> None:
        """Have somebody call somebody, with a call ID of the server."""
        caller, callee = dice.sample(sorted(self.lines), 2)
        offer = self.new("offer")
        self.lines[caller].post(("CALL_INITIATE", {"targetId": callee, "sdpOffer": offer}))
        came, _ = self.lines[caller].settle()
        if came:
            assert came == [("ERROR", {"code": "RATE_LIMITED", "request": "CALL_INITIATE"})]
            refusal = self.model.initiate(caller, callee, "call-of-the-model-x", offer, is_chosen=False)
            assert refusal[0][1]["code"] == "RATE_LIMITED"
            return
        heard = self.lines[callee].read(1 + len(self.model.replaceable(caller, callee)))
        call_id = heard[-1][1]["callId"]
        assert call_id not in self.model.calls
        assert self.model.initiate(caller, callee, call_id, offer, is_chosen=False) == []
        assert self.model.told.pop(callee) == heard
        self.is_told()

    @precondition(lambda self: self.lines)
    @rule(dice=DICE, count=st.sampled_from([1, 3, 130]))
    def send_candidates(self, dice: Random, count: int) -> None:
        """A burst arrives in order, or waits as far as there is room, and whoever sent the rest hears of each."""
        who = self.pick(dice)
        calls = self.model.calls_of(who)
        if not calls:
            return
        call_id = dice.choice(calls)
        steps = [Step("candidate", who, call_id, self.new("candidate")) for _ in range(count)]
        self.lines[who].post(*(step.message() for step in steps))
        refused = [message for step in steps for message in step.do(self.model)]
        came, is_open = self.lines[who].settle()
        assert is_open
        assert came + self.lines[who].read(len(refused) - len(came)) == refused
        self.is_told()

    def has_room(self, name: str, count: int) -> bool:
        """Whether all that a client is told will reach its next connection, with so many messages more."""
        return len(self.model.handed_over(name)) + count <= HELD_MESSAGES

    @rule(dice=DICE, count=st.integers(1, 30), is_superseded=st.booleans(), number=st.integers(0, 1))
    def move_in_a_burst(self, dice: Random, count: int, is_superseded: bool, number: int) -> None:  # noqa: FBT001 -- drawn
        """Whoever comes back while its peer sends has missed nothing, and has nothing twice."""
        connected = [
            (call_id, call)
            for call_id, call in self.model.calls.items()
            if {call.caller, call.callee} <= self.lines.keys()
        ]
        if not connected:
            return
        call_id, call = dice.choice(connected)
        who, peer = dice.sample([call.caller, call.callee], 2)
        older, newer = self.lines[who], self.line(number)
        steps = [Step("candidate", peer, call_id, self.new("candidate")) for _ in range(3 * count)]
        messages = [step.message() for step in steps]
        if not self.has_room(who, len(messages)):
            return
        self.lines[peer].post(*messages[:count])
        if is_superseded:
            newer.post(("REGISTER", {"clientId": who}))
        else:
            older.hang_up(1006)
        self.lines[peer].post(*messages[count : 2 * count])
        if is_superseded:
            before = self.has_to_go(older)
        else:
            older.is_gone()
            before = older.read_what_came()
            newer.post(("REGISTER", {"clientId": who}))
        self.lines[peer].post(*messages[2 * count :])
        for message in messages:
            self.model.note_copied(peer, message)
        for message in before:
            self.model.note_written(who, message)
        # A call that rings does so again, with the candidates so far.
        expected = self.model.register(who) + messages[len(before) :]
        came = newer.read(len(expected))
        self.lines[who] = newer
        assert (before, came) == (messages[: len(before)], expected)
        for message in messages[len(before) :]:
            self.model.note_written(who, message)
        assert self.lines[peer].settle() == ([], True)
        self.is_told()

    @precondition(lambda self: self.lines)
    @rule(dice=DICE, count=st.integers(2, 4))
    def do_several_things_at_once(self, dice: Random, count: int) -> None:
        """There is an order in which they could have been done one after the other: one accept wins."""
        # A call ID is not used again before everybody has heard that its call ended.
        steps = [
            replace(step, call_id=self.new("call-of-the-model").replace(" ", "-")) if step.kind == "initiate" else step
            for step in (self.pick_step(dice) for _ in range(count))
            if step.kind != "candidate"
        ]
        everybody = {name: [step for step in steps if step.client_id == name] for name in self.lines}
        for name, own in everybody.items():
            self.lines[name].post(*(step.message() for step in own))
        came = {name: self.lines[name].settle()[0] for name in everybody}
        outcomes = [
            outcome
            for outcome in orders(self.model, steps)
            if all(outcome.refused[name] == refused(came[name]) for name in everybody)
        ]
        assert outcomes, (steps, came)
        for name, line in self.lines.items():
            missing = len(outcomes[0].model.told[name]) - len(came[name]) + len(refused(came[name]))
            came[name] += line.read(missing)
        self.model = next(
            outcome.model
            for outcome in outcomes
            if all(outcome.model.told[name] == heard(came[name]) for name in everybody)
        )
        self.model.told.clear()
        self.is_told()

    # --- What always holds ----------------------------------------------------------------------------------

    @invariant()
    def everybody_counts(self) -> None:
        ringing = sum(call.state == "ringing" for call in self.model.calls.values())
        expected = Status(0, len(self.model.online()), ringing, len(self.model.calls) - ringing)
        for process in self.processes:
            assert replace(process.run(process.node.registry.status()), connections=0) == expected

    def teardown(self) -> None:
        """When everybody has gone and all is over, nothing is left."""
        try:
            if sys.exception() is not None:
                return
            for name in list(self.lines):
                self.model.leave(name)
                self.goes(self.lines.pop(name), 1000)
            self.wait(3, STEP_SECONDS)
            self.everybody_counts()
            for process in self.processes:
                assert set(process.node.members) == set()
                assert process.node.layer.groups == {}
                assert process.tasks_left() == set()
        finally:
            for process in self.processes:
                process.stop()


@dataclass
class Outcome:
    """What is so after several steps in some order: the model, and who was refused what."""

    model: Model
    refused: dict[str, list[Message]]


def orders(model: Model, steps: list[Step]) -> Iterator[Outcome]:
    """Do the steps in every order in which each client's own come as it sent them."""
    for order in itertools.permutations(range(len(steps))):
        own = defaultdict(list)
        for index in order:
            own[steps[index].client_id].append(index)
        if any(indices != sorted(indices) for indices in own.values()):
            continue
        outcome = Outcome(copy.deepcopy(model), defaultdict(list))
        for index in order:
            outcome.refused[steps[index].client_id] += steps[index].do(outcome.model)
        yield outcome


def named_in(junk: str | bytes) -> dict[str, Any]:
    """A refusal names the type that it can read."""
    return {"request": "NOPE"} if junk == UNKNOWN else {}


def refused(messages: list[Message]) -> list[Message]:
    return [message for message in messages if message[0] == "ERROR"]


def heard(messages: list[Message]) -> list[Message]:
    return [message for message in messages if message[0] != "ERROR"]


def run(machine: type[Signaling], schedules: int = 30, steps: int = 40) -> None:
    run_state_machine_as_test(
        machine,
        settings=hypothesis.settings(
            max_examples=EXAMPLES or schedules,
            derandomize=not EXAMPLES,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )


def test_any_sequence_in_one_process_is_as_the_model_says(settings: Settings) -> None:
    settings.LIMITS, settings.TIMEOUTS = LIMITS, Timeouts()
    run(Signaling)


def test_any_sequence_across_two_processes_is_as_the_model_says(settings: Settings, redis_url: str) -> None:
    settings.LIMITS, settings.TIMEOUTS = LIMITS, Timeouts()

    class Spread(Signaling):
        process_count = 2

        def before(self) -> None:
            use_redis(settings, redis_url, new_prefix())

    run(Spread)
