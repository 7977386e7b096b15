"""What PROTOCOL.md promises, as simply as it can be said: one server, no network, and nothing happens by itself.

A client is its ID. Every step says what the client that took it is answered; what others hear of it is in `told`.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from signaling.protocol.calls import CALL_ID, HELD_MESSAGES
from signaling.protocol.closing import Hold
from signaling.protocol.limits import Timeouts

Message = tuple[str, dict[str, Any]]

RINGING, ACTIVE = "ringing", "active"
ENDS = {"CALL_REJECTED", "CALL_ENDED"}


def error(code: str, request: str, call_id: str | None = None) -> list[Message]:
    """Make the answer to a request that cannot be carried out."""
    payload = {"code": code, "request": request}
    return [("ERROR", payload if call_id is None else payload | {"callId": call_id})]


@dataclass
class Client:
    """A client that is online, or held until `leaves_at`."""

    leaves_at: float | None = None
    waiting: list[Message] = field(default_factory=list)
    # What its connection was told of calls that ring here, proved or not: they ring again on the next one.
    rang: list[Message] = field(default_factory=list)
    # What follows, and is not proved, with its number; nothing, where no ping is answered.
    unproved: list[tuple[int, Message]] = field(default_factory=list)
    is_pinged: bool = False
    # How many messages its connection was told.
    written: int = 0
    # How many places the copies of what it rings elsewhere take while it is held.
    copies: int = 0


@dataclass
class Call:
    """A call that goes on."""

    caller: str
    callee: str
    rings_until: float
    is_chosen: bool
    state: str = RINGING
    # The caller's copy; None when it was lost.
    copy: list[Message] | None = None

    def peer_of(self, client_id: str) -> str:
        """Return the other participant."""
        return self.callee if client_id == self.caller else self.caller

    def role_of(self, client_id: str) -> str:
        """Name a participant's part."""
        return "caller" if client_id == self.caller else "callee"


class Model:
    """Who is there, which calls exist, and what everybody has been told since the last look."""

    def __init__(self, open_calls_per_client: int, timeouts: Timeouts, *, can_ping: bool = False) -> None:
        self.can_ping = can_ping
        self.open_calls_per_client = open_calls_per_client
        self.timeouts = timeouts
        self.now = 0.0
        self.clients: dict[str, Client] = {}
        self.calls: dict[str, Call] = {}
        self.told: dict[str, list[Message]] = defaultdict(list)

    def is_online(self, client_id: str) -> bool:
        """Whether a connection has this ID."""
        client = self.clients.get(client_id)
        return client is not None and client.leaves_at is None

    def online(self) -> list[str]:
        """Name the clients that a connection has."""
        return sorted(filter(self.is_online, self.clients))

    def calls_of(self, client_id: str) -> list[str]:
        """Name the calls that a client is in."""
        return [call_id for call_id, call in self.calls.items() if client_id in {call.caller, call.callee}]

    # --- Connection life ----------------------------------------------------------------------------------

    def register(self, client_id: str) -> list[Message]:
        """Be online, from here on; what waited comes after the answer, in order."""
        before = self.clients.get(client_id, Client())
        waiting = [*self.handed_over(client_id), *before.waiting]
        self.clients[client_id] = Client(is_pinged=self.can_ping)
        self.ask_for_rings(client_id, waiting)
        worth = [
            one for place, one in enumerate(waiting) if not self.is_pointless(client_id, one, waiting[place + 1 :])
        ]
        for message in worth:
            self.note_written(client_id, message)
        return [self.registered(client_id), *worth]

    def still_ringing(self, client_id: str, messages: list[Message]) -> list[Message]:
        """Pick those of messages to a client that are about a call that rings there."""
        calls = {call_id for call_id, call in self.calls.items() if (call.callee, call.state) == (client_id, RINGING)}
        return [one for one in messages if one[1]["callId"] in calls]

    def handed_over(self, client_id: str) -> list[Message]:
        """Pick what a connection hands over: what rings, beside one place for the copies of what it rings elsewhere."""
        client = self.clients.get(client_id, Client())
        waiting = [*self.still_ringing(client_id, client.rang), *(one for _, one in client.unproved)]
        while len(waiting) + self.copies_of(client_id) > HELD_MESSAGES:
            waiting.remove(next(one for one in waiting if one[0] == "ICE_CANDIDATE"))
        return waiting

    def copies_of(self, client_id: str) -> int:
        """Count the places that a caller's copies take."""
        return int(any((call.caller, call.state) == (client_id, RINGING) and call.copy for call in self.calls.values()))

    def ask_for_rings(self, client_id: str, waiting: list[Message]) -> None:
        """Put in what is missing of calls whose ring was lost, from the copies of callers that are there."""
        for call_id, call in self.calls.items():
            if (call.callee, call.state) != (client_id, RINGING) or not call.copy or not self.is_online(call.caller):
                continue
            came = [one for one in waiting if one[1]["callId"] == call_id]
            if any(kind == "INCOMING_CALL" for kind, _ in came):
                continue
            place = waiting.index(came[0]) if came else len(waiting)
            missing = call.copy[: len(call.copy) - len(came)]
            assert call.copy[len(missing) :] == came
            waiting[place:place] = missing

    def note_copied(self, client_id: str, message: Message) -> None:
        """Note a candidate that the connection of a caller copies while the call rings."""
        call = self.calls[message[1]["callId"]]
        if (call.caller, call.state) == (client_id, RINGING) and call.copy:
            call.copy.append(message)

    def note_written(self, client_id: str, message: Message) -> None:
        """Note what a connection is told."""
        client = self.clients[client_id]
        client.written += 1
        client.unproved.append((client.written, message))
        if not client.is_pinged:
            self.prove(client_id, client.written)

    def note_order(self, client_id: str, came: list[Message]) -> None:
        """Note in which order a connection was told what it was told last."""
        client = self.clients[client_id]
        first = client.written - len(came) + 1
        left = [message for number, message in client.unproved if number >= first]
        client.unproved = [one for one in client.unproved if one[0] < first]
        for number, message in enumerate(came, first):
            if message in left:
                left.remove(message)
                client.unproved.append((number, message))

    def prove(self, client_id: str, written: int) -> None:
        """Keep of the first messages that a connection was told what rings, as far as there is room for candidates."""
        client = self.clients[client_id]
        proved = [message for number, message in client.unproved if number <= written]
        client.unproved = [one for one in client.unproved if one[0] > written]
        client.rang = self.still_ringing(client_id, [*client.rang, *proved])
        while len(client.rang) > HELD_MESSAGES:
            client.rang.remove(next(one for one in client.rang if one[0] == "ICE_CANDIDATE"))

    def forget(self, client_id: str, call_id: str) -> None:
        """Keep nothing of what a connection was told of a call that ended there, but its end."""
        client = self.clients[client_id]
        client.unproved = [one for one in client.unproved if one[1][1]["callId"] != call_id or one[1][0] in ENDS]

    def is_pointless(self, client_id: str, message: Message, later: list[Message]) -> bool:
        """Whether a message that waited says nothing any more; that a call ended does, unless it was placed anew."""
        message_type, payload = message
        call = self.calls.get(payload["callId"])
        if message_type in ENDS:
            return call is not None and call.caller == client_id
        follows = {kind for kind, one in later if one["callId"] == payload["callId"]}
        # Its ID may ring again, for another call.
        is_old_ring = message_type == "INCOMING_CALL" and (message_type in follows or (call and call.state != RINGING))
        return call is None or bool(follows & ENDS) or bool(is_old_ring)

    def registered(self, client_id: str) -> Message:
        """Make the answer to a client that registers, or says again who it is."""
        calls = [
            {"callId": call_id, "peerId": call.peer_of(client_id), "role": call.role_of(client_id), "state": call.state}
            for call_id, call in sorted(self.calls.items())
            if call_id in self.calls_of(client_id)
        ]
        return "REGISTERED", {"clientId": client_id} | ({"calls": calls} if calls else {})

    def leave(self, client_id: str) -> None:
        """Close the connection on purpose: the client's calls end."""
        del self.clients[client_id]
        for call_id in self.calls_of(client_id):
            peer = self.calls.pop(call_id).peer_of(client_id)
            self.tell(peer, ("CALL_ENDED", {"callId": call_id, "reason": "peer_disconnected"}))

    def drop(self, client_id: str, hold: Hold = Hold.FULL) -> None:
        """Lose the connection: a client with calls may come back to them."""
        waiting = self.handed_over(client_id)
        if not self.calls_of(client_id) and not waiting:
            del self.clients[client_id]
            return
        leaves_at = self.now + self.timeouts.seconds_of(hold)
        self.clients[client_id] = Client(leaves_at, waiting, copies=self.copies_of(client_id))

    def crash(self, client_id: str) -> None:
        """Lose the connection, and with it all that it kept."""
        for call in self.calls.values():
            if call.caller == client_id:
                call.copy = None
        self.clients[client_id] = Client()
        self.drop(client_id)
        if client_id in self.clients:
            self.clients[client_id].copies = 0

    def wait(self, seconds: float) -> None:
        """Let time pass; calls that rang for too long end, and those of clients that did not come back."""
        self.now += seconds
        for call_id, call in list(self.calls.items()):
            if call.state == RINGING and call.rings_until <= self.now:
                del self.calls[call_id]
                for participant in (call.caller, call.callee):
                    self.tell(participant, ("CALL_ENDED", {"callId": call_id, "reason": "timeout"}))
        gone = [name for name, one in self.clients.items() if one.leaves_at is not None and one.leaves_at <= self.now]
        for client_id in gone:
            self.leave(client_id)

    # --- Calls ----------------------------------------------------------------------------------------------

    def initiate(self, caller: str, callee: str, call_id: str, offer: str, *, is_chosen: bool = True) -> list[Message]:
        """Call somebody; without a call ID of one's own, in place of an earlier such call that still rings there."""
        named = "CALL_INITIATE", call_id
        if caller == callee or not CALL_ID.fullmatch(call_id) or call_id in self.calls_of(caller):
            return error("INVALID_MESSAGE", *named)
        if not self.is_online(callee):
            return error("TARGET_NOT_FOUND", *named)
        if call_id in self.calls:
            return error("INVALID_MESSAGE", *named)
        replaced = [] if is_chosen else self.replaceable(caller, callee)
        placed = sum(call.caller == caller for call in self.calls.values())
        if placed - len(replaced) >= self.open_calls_per_client:
            return error("RATE_LIMITED", *named)
        for earlier in replaced:
            del self.calls[earlier]
            self.tell(callee, ("CALL_ENDED", {"callId": earlier, "reason": "replaced"}))
        ring: Message = ("INCOMING_CALL", {"callId": call_id, "callerId": caller, "sdpOffer": offer})
        self.calls[call_id] = Call(caller, callee, self.now + self.timeouts.ring_seconds, is_chosen, copy=[ring])
        self.tell(callee, ring)
        return []

    def replaceable(self, caller: str, callee: str) -> list[str]:
        """Name the calls that ring, and that nobody could end but the callee."""
        return [
            call_id
            for call_id, call in self.calls.items()
            if (call.caller, call.callee, call.state, call.is_chosen) == (caller, callee, RINGING, False)
        ]

    def accept(self, client_id: str, call_id: str, answer: str) -> list[Message]:
        """Answer a ringing call."""
        call = self.calls.get(call_id)
        if call is None or call.state != RINGING or client_id != call.callee:
            return error("CALL_NOT_FOUND", "CALL_ACCEPT", call_id)
        call.state = ACTIVE
        self.tell(call.caller, ("CALL_ACCEPTED", {"callId": call_id, "sdpAnswer": answer}))
        return []

    def reject(self, client_id: str, call_id: str, reason: str | None) -> list[Message]:
        """Reject a ringing call."""
        call = self.calls.get(call_id)
        if call is None or call.state != RINGING or client_id != call.callee:
            return error("CALL_NOT_FOUND", "CALL_REJECT", call_id)
        return self._end(client_id, call_id, "CALL_REJECTED", reason)

    def end(self, client_id: str, call_id: str, reason: str | None) -> list[Message]:
        """End a call, ringing or active."""
        if call_id not in self.calls_of(client_id):
            return error("CALL_NOT_FOUND", "CALL_END", call_id)
        return self._end(client_id, call_id, "CALL_ENDED", reason)

    def candidate(self, client_id: str, call_id: str, candidate: Any) -> list[Message]:
        """Send the peer a candidate."""
        if call_id not in self.calls_of(client_id):
            return error("CALL_NOT_FOUND", "ICE_CANDIDATE", call_id)
        peer = self.calls[call_id].peer_of(client_id)
        away = self.clients[peer]
        if not self.is_online(peer) and len(away.waiting) + away.copies >= HELD_MESSAGES:
            return error("RATE_LIMITED", "ICE_CANDIDATE", call_id)
        message: Message = ("ICE_CANDIDATE", {"callId": call_id, "candidate": candidate})
        self.note_copied(client_id, message)
        self.tell(peer, message)
        return []

    def tell(self, client_id: str, message: Message) -> None:
        """Let a client hear of something: now, when it is back, or never when it is gone."""
        if self.is_online(client_id):
            self.told[client_id].append(message)
            if message[0] in ENDS:
                self.forget(client_id, message[1]["callId"])
            self.note_written(client_id, message)
        elif client_id in self.clients:
            self.clients[client_id].waiting.append(message)

    def _end(self, client_id: str, call_id: str, message_type: str, reason: str | None) -> list[Message]:
        peer = self.calls.pop(call_id).peer_of(client_id)
        self.forget(client_id, call_id)
        payload = {"callId": call_id} if reason is None else {"callId": call_id, "reason": reason}
        self.tell(peer, (message_type, payload))
        return []
