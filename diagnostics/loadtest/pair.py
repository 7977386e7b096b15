"""Two clients that call each other, one call at a time, and keep account of every message."""

import asyncio
import contextlib
import time
from collections import deque
from typing import Any, NamedTuple

import msgspec

from diagnostics.loadtest.account import Account
from diagnostics.participant import Participant
from securecall_client import (
    CallAccept,
    CallAccepted,
    CallEnd,
    CallEnded,
    CallInitiate,
    CallRejected,
    ClientMessage,
    ClosedError,
    Error,
    IceCandidate,
    IncomingCall,
    ServerMessage,
    new_call_id,
)

CANDIDATES = 8
# Of the length that a browser's is, so that the server has as much to relay.
DESCRIPTION = "v=0\r\no=- {number} 2 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n" + "a=rtpmap:111 opus/48000/2\r\n" * 85
CANDIDATE = "candidate:{number} 1 udp {priority} 192.0.2.7 46154 typ srflx raddr 10.0.0.5 rport 46154"
DEFAULT_REST_SECONDS = 1.0
OF_A_CALL = (IncomingCall, CallAccepted, CallRejected, CallEnded, IceCandidate)


class _Sent(NamedTuple):
    """A message on its way: what must arrive, and when it was sent."""

    kind: type[ServerMessage]
    fields: dict[str, Any]
    at: float


class _Call:
    """A call, and what is on its way to each side."""

    def __init__(self, caller: Participant, callee: Participant) -> None:
        self.id = new_call_id()
        self.caller, self.callee = caller, callee
        self.on_their_way: dict[Participant, deque[_Sent]] = {caller: deque(), callee: deque()}
        self.is_accepted = self.is_ending = False

    @property
    def missing(self) -> int:
        return sum(map(len, self.on_their_way.values()))


class Pair:
    """Two clients; the load passes each message that came to `heard`, and calls `start` while the pair is free."""

    def __init__(self, first: Participant, second: Participant, account: Account, seconds: float) -> None:
        """A call may take `seconds`; what has not arrived by then is lost."""
        self._next = (first, second)
        self._account = account
        self._seconds = seconds
        self._call: _Call | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rests_until = 0.0
        self.ended = asyncio.Event()
        self.ended.set()
        self.is_gone = False

    @property
    def is_free(self) -> bool:
        """Return whether a call can start."""
        return self._call is None and not self.is_gone and time.perf_counter() >= self._rests_until

    async def start(self) -> None:
        """Call; the one who was called last time calls now."""
        caller, callee = self._next
        self._next = (callee, caller)
        self._call = call = _Call(caller, callee)
        self.ended.clear()
        self._account.calls_started += 1
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._give_up, call)
        offer = DESCRIPTION.format(number=call.id)
        await self._relay(
            call, caller, CallInitiate(callee.id, offer, call.id), IncomingCall, caller_id=caller.id, sdp_offer=offer
        )

    async def heard(self, client: Participant, message: ServerMessage) -> None:
        """Count a message that came, and send what a client sends next."""
        call = self._call
        if isinstance(message, Error):
            await self._refused(client, message)
        elif isinstance(message, OF_A_CALL) and call is not None and message.call_id == call.id:
            self._tick_off(call, client, message)
            await self._proceed(call, client, message)

    def leave(self) -> None:
        """One of the two has lost its connection."""
        self.is_gone = True
        if self._call is not None:
            self._give_up(self._call)

    async def _relay(
        self, call: _Call, sender: Participant, request: ClientMessage, arrival: type[ServerMessage], **fields: Any
    ) -> None:
        """Send a request of which `arrival` with these fields must come at the other side."""
        receiver = call.callee if sender is call.caller else call.caller
        self._account.sent += 1
        call.on_their_way[receiver].append(_Sent(arrival, {"call_id": call.id} | fields, time.perf_counter()))
        # A closed connection is its reader's to tell, and what was sent on it is lost.
        with contextlib.suppress(ClosedError):
            await sender.send(request)

    async def _proceed(self, call: _Call, client: Participant, message: ServerMessage) -> None:
        if isinstance(message, IncomingCall):
            answer = DESCRIPTION.format(number=client.id)
            await self._relay(call, client, CallAccept(call.id, answer), CallAccepted, sdp_answer=answer)
            await self._trickle(call, client)
        elif isinstance(message, CallAccepted):
            await self._trickle(call, client)
            call.is_accepted = True
        elif isinstance(message, CallEnded):
            self._finish(call)
        if call.is_accepted and not call.is_ending and not call.missing:
            call.is_ending = True
            await self._relay(call, call.caller, CallEnd(call.id), CallEnded)

    async def _trickle(self, call: _Call, sender: Participant) -> None:
        for number in range(CANDIDATES):
            line = CANDIDATE.format(number=number, priority=1677729535 - number)
            await self._relay(call, sender, IceCandidate(call.id, line), IceCandidate, candidate=line)

    def _tick_off(self, call: _Call, client: Participant, message: ServerMessage) -> None:
        now = time.perf_counter()
        waiting = call.on_their_way[client]
        came = msgspec.structs.asdict(message)
        for place, sent in enumerate(waiting):
            if isinstance(message, sent.kind) and sent.fields.items() <= came.items():
                self._account.hop_seconds.append(now - sent.at)
                self._account.out_of_order += place > 0
                del waiting[place]
                return
        self._account.altered += 1
        same_type = (place for place, sent in enumerate(waiting) if isinstance(message, sent.kind))
        if (altered := next(same_type, None)) is not None:
            del waiting[altered]

    async def _refused(self, client: Participant, error: Error) -> None:
        """Count an error; the call that it concerns ends, and what it took with it was not lost but refused."""
        self._account.errors[error.code] += 1
        call = self._call
        if call is None or error.call_id not in {call.id, None}:
            return
        rest_seconds = (error.retry_after_ms or 0) / 1000 or DEFAULT_REST_SECONDS
        self._rests_until = time.perf_counter() + rest_seconds
        self._close(call)
        if error.request not in {"CALL_INITIATE", "CALL_END"}:
            await asyncio.sleep(rest_seconds)
            await client.send(CallEnd(call.id))

    def _finish(self, call: _Call) -> None:
        self._account.calls_finished += 1
        self._account.lost += call.missing
        self._close(call)

    def _give_up(self, call: _Call) -> None:
        if self._call is call:
            self._account.lost += call.missing
            self._close(call)

    def _close(self, call: _Call) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._call is call:
            self._call = None
            self.ended.set()
