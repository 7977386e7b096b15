"""What was written to one client, and is not proved to have been read.

How it works
------------
Messages are kept in runs: those that follow each other, are about one call and have one sender. So all that is about a
call that has ended is forgotten at once, with a look at each run and at no message. Of a message that is nothing but
its frame, the frame alone is kept: memory that is kept is not the next message's.
"""

from collections.abc import Container, Iterable, Iterator

from signaling.delivery.events import GONE, Event, candidate, is_needed, size_of
from signaling.protocol.calls import State
from signaling.protocol.decoding import named_in
from signaling.protocol.fields import bytes_of
from signaling.registry.held import call_of

# An event, and the ID of the call that it is about.
About = tuple[str, Event]
# The run of ends: they are about no call that is there. No call has such an ID.
ENDS = "ends"
# Events of no more fields, but a sender, than `relayed` gives a candidate, and `changing` an end: the frame says all.
CANDIDATE_FIELDS, END_FIELDS = 3, 4


class Run:
    """Messages of one `sender`, if it is known, that follow each other and are about one call; or ends of any calls.

    Of each there is the frame where it says all, else the event; `size` is the bytes of all.
    """

    __slots__ = ("call_id", "messages", "sender", "size")

    def __init__(self, call_id: str, sender: str | None = None) -> None:
        self.call_id = call_id
        self.sender = sender
        self.messages: list[str | Event] = []
        self.size = 0

    def event_of(self, message: str | Event) -> Event:
        """Return the event of a message."""
        if not isinstance(message, str):
            return message
        event = _end(message) if self.call_id == ENDS else candidate(self.call_id, message)
        return event if self.sender is None else event | {"sender": self.sender}

    def events(self) -> list[Event]:
        """Return the events, oldest first."""
        return list(map(self.event_of, self.messages))

    def drop_candidate(self) -> int:
        """Remove the oldest candidate; returns its bytes, 0 when there is none."""
        if self.call_id == ENDS:
            return 0
        for place, message in enumerate(self.messages):
            if isinstance(message, str) or not is_needed(message):
                size = size_of(self.event_of(message))
                del self.messages[place]
                self.size -= size
                return size
        return 0


def _end(frame: str) -> Event:
    """Make the event that carries a frame which ends a call."""
    call_id = str(named_in(frame)[1])
    return candidate(call_id, frame) | {"changes": [call_id, GONE, ""]}


def about_calls(runs: Iterable[Run]) -> Iterator[About]:
    """Return the events of runs, each with its call."""
    return ((run.call_id, event) for run in runs for event in run.events())


class Unproved:
    """The relayed events that were written to one connection, and that its client has not proved to have read.

    A ping is written behind those in `_asked`, which its pong proves; `_runs` came after it, and `last` is the last of
    them. The events of calls that ring stay in `ringing`, each with its call, although they are proved. `count` is how
    many are unproved, `size` what the frames of all count; whoever adds to `last` adds to both.
    """

    __slots__ = ("_asked", "_asked_at", "_payload", "_runs", "count", "last", "ringing", "size")

    def __init__(self) -> None:
        self.ringing: list[About] = []
        self._asked: list[Run] = []
        self._runs: list[Run] = []
        self.last = NO_RUN
        self.count = self.size = 0
        # Of the ping that is under way: its payload, and when it was sent.
        self._payload: bytes | None = None
        self._asked_at = 0.0

    def __bool__(self) -> bool:
        return bool(self.ringing or self.count)

    @property
    def asked_at(self) -> float | None:
        """Return when the ping that is under way was sent; None when there is none."""
        return None if self._payload is None else self._asked_at

    @property
    def events(self) -> list[Event]:
        """Return what is unproved, oldest first."""
        return [event for run in (*self._asked, *self._runs) for event in run.events()]

    def add(self, event: Event) -> int:
        """Add an event behind all others; returns its bytes."""
        frame: str = event["frame"]
        sender = event.get("sender")
        is_end = "changes" in event and event["changes"][1] == GONE
        call_id, fields = (ENDS, END_FIELDS) if is_end else (call_of(event), CANDIDATE_FIELDS)
        says_all = "call" in event and len(event) == fields + (sender is not None)
        run = self.last
        if call_id != run.call_id or sender != run.sender:
            run = self.last = Run(call_id, sender)
            self._runs.append(run)
        size = bytes_of(frame)
        run.messages.append(frame if says_all else event)
        run.size += size
        self.count += 1
        self.size += size
        return size

    def ask(self, payload: bytes, now: float) -> None:
        """Note a ping that was written behind all events."""
        self._payload, self._asked_at = payload, now
        self._asked += self._runs
        self._runs, self.last = [], NO_RUN

    def prove(self, payload: bytes) -> Iterable[About] | None:
        """Remove what was written before the ping, and return it, if this is the payload of its pong."""
        if payload != self._payload:
            return None
        self._payload = None
        proved, self._asked = self._asked, []
        self._count_out(proved)
        return about_calls(proved)

    def empty(self) -> Iterable[About]:
        """Remove all that is unproved, and return it."""
        runs = self._asked + self._runs
        self._asked, self._runs, self.last = [], [], NO_RUN
        self._count_out(runs)
        return about_calls(runs)

    def keep_ringing(self, proved: Iterable[About], calls: Container[str]) -> None:
        """Keep those of what is proved that are about one of these calls, and of earlier ones."""
        if calls:
            kept = [one for one in proved if one[0] in calls]
            self.size += sum(size_of(event) for _, event in kept)
            self.ringing += kept
        if self.ringing:
            self.size -= sum(size_of(event) for call_id, event in self.ringing if call_id not in calls)
            self.ringing = [one for one in self.ringing if one[0] in calls]

    def forget(self, call_id: str) -> None:
        """Remove what is about a call that has ended; its end itself is still to be proved."""
        if self._asked:
            self._asked = self._without(self._asked, call_id)
        self._runs = self._without(self._runs, call_id)
        self.last = self._runs[-1] if self._runs else NO_RUN

    def has_rung(self, call_id: str) -> bool:
        """Return whether the ring of a call is here."""
        events = (*self.events, *(event for _, event in self.ringing))
        return any(event.get("changes", ())[:2] == [call_id, State.RINGING] for event in events)

    def drop_candidate(self) -> bool:
        """Remove the oldest candidate; returns False when there is none."""
        for place, (_, event) in enumerate(self.ringing):
            if not is_needed(event):
                self.size -= size_of(event)
                del self.ringing[place]
                return True
        for runs in (self._asked, self._runs):
            for place, run in enumerate(runs):
                if size := run.drop_candidate():
                    self.size -= size
                    self.count -= 1
                    if not run.messages and run is not self.last:  # what comes next may be about its call
                        del runs[place]
                    return True
        return False

    def _without(self, runs: list[Run], call_id: str) -> list[Run]:
        self._count_out(run for run in runs if run.call_id == call_id)
        return [run for run in runs if run.call_id != call_id]

    def _count_out(self, runs: Iterable[Run]) -> None:
        for run in runs:
            self.count -= len(run.messages)
            self.size -= run.size


# In place of a last run: no message is about its call.
NO_RUN = Run("nothing")
