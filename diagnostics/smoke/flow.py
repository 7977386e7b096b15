"""The whole reference flow against a server, step by step: two clients, the directory, calls, errors, relays."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from websockets.exceptions import WebSocketException

from diagnostics.failures import ProbeError, sentence
from diagnostics.outcome import Outcome
from diagnostics.participant import Participant
from diagnostics.smoke.health import check_health
from diagnostics.smoke.relays import try_relays
from diagnostics.smoke.step import Options, Step
from securecall_client import (
    CallAccept,
    CallAccepted,
    CallEnd,
    CallEnded,
    CallInitiate,
    CallReject,
    CallRejected,
    Candidate,
    Error,
    ErrorCode,
    Heartbeat,
    HeartbeatAck,
    IceCandidate,
    IceServer,
    IncomingCall,
    PkdLookup,
    PkdRegister,
    PkdResult,
    SecureCallError,
    new_call_id,
    new_client_id,
)

# Line ends, quotes, escapes and letters beyond ASCII, which a relay that is not opaque would change.
OFFER = 'v=0\r\no=- 4611731400430051336 2 IN IP4 192.0.2.1\r\ns="smoke" \\ – ü\r\nt=0 0\r\n  \t\r\n'
ANSWER = OFFER.replace("4611731400430051336", "1836002147654321098")
CANDIDATES: list[Candidate] = [
    *(f"candidate:{number} 1 udp {2122260223 - number} 192.0.2.1 {50_000 + number} typ host" for number in range(6)),
    {"candidate": "candidate:7 1 tcp 1518280447 192.0.2.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0},
    "",
]
REASON = "smoke"


class Flow:
    """Two clients on their way through the reference, "Typical Call Flow"."""

    def __init__(self, options: Options) -> None:
        """Nothing happens before `run`."""
        self._options = options
        self._clients: list[Participant] = []
        self._ice_servers: list[IceServer] = []
        self._call_id = ""

    async def run(self) -> AsyncIterator[Step]:
        """Run every step, up to the first that fails; relays are all tried."""
        try:
            for title, act in self._steps():
                step = await self._timed(title, act)
                yield step
                if step.outcome is Outcome.FAILED:
                    return
            async for step in try_relays(self._ice_servers, self._options):
                yield step
        finally:
            await asyncio.gather(*(client.close() for client in self._clients), return_exceptions=True)

    def _steps(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        directory = [
            ("publish a public key", self._publish),
            ("look it up as the other client", self._look_up),
        ]
        return [
            ("health check", self._health),
            ("connect the caller", self._connect),
            ("connect the callee", self._connect),
            ("a message before REGISTER is refused", self._before_register),
            ("register the caller", self._register_caller),
            ("register the callee", self._register_callee),
            ("heartbeat", self._heartbeat),
            *(directory if self._options.publishes_key else []),
            ("call: the offer arrives", self._call),
            ("accept: the answer arrives", self._accept),
            ("candidates to the callee, in order", self._candidates_to_callee),
            ("candidates to the caller, in order", self._candidates_to_caller),
            ("end: the callee hears of it", self._end),
            ("reject: the caller hears of it", self._reject),
            ("garbage is answered with INVALID_MESSAGE", self._garbage),
            ("calling nobody is TARGET_NOT_FOUND", self._nobody),
            ("an ended call is CALL_NOT_FOUND", self._ended_call),
        ]

    async def _timed(self, title: str, act: Callable[[], Awaitable[None]]) -> Step:
        begin = time.perf_counter()
        outcome, what = Outcome.OK, ""
        try:
            await act()
        except (ProbeError, SecureCallError, OSError, WebSocketException) as error:
            options = self._options
            outcome, what = Outcome.FAILED, sentence(error, options.url, options.seconds, options.origin)
        return Step(title, outcome, (time.perf_counter() - begin) * 1000, what)

    @property
    def _caller(self) -> Participant:
        return self._clients[0]

    @property
    def _callee(self) -> Participant:
        return self._clients[1]

    async def _health(self) -> None:
        await asyncio.to_thread(check_health, self._options.url, self._options.seconds)

    async def _connect(self) -> None:
        options = self._options
        client = await Participant.connected(options.url, "smoke", seconds=options.seconds, origin=options.origin)
        self._clients.append(client)

    async def _before_register(self) -> None:
        await self._caller.send(PkdLookup(self._callee.id))
        await self._caller.expect(Error, code=ErrorCode.NOT_REGISTERED)

    async def _register_caller(self) -> None:
        self._ice_servers = (await self._caller.register()).ice_servers

    async def _register_callee(self) -> None:
        await self._callee.register()

    async def _heartbeat(self) -> None:
        await self._caller.send(Heartbeat())
        await self._caller.expect(HeartbeatAck)

    async def _publish(self) -> None:
        await self._caller.send(PkdRegister(self._caller.id, self._key))
        await self._caller.expect(PkdResult, client_id=self._caller.id, public_key=self._key)

    async def _look_up(self) -> None:
        await self._callee.send(PkdLookup(self._caller.id))
        await self._callee.expect(PkdResult, client_id=self._caller.id, public_key=self._key)

    @property
    def _key(self) -> str:
        return f"a public key of {self._caller.id}, which is no secret"

    async def _call(self) -> None:
        # As the reference has it: the server chooses the call's ID, and the callee is the first to know it.
        await self._caller.send(CallInitiate(self._callee.id, OFFER))
        incoming = await self._callee.expect(IncomingCall, caller_id=self._caller.id, sdp_offer=OFFER)
        self._call_id = incoming.call_id

    async def _accept(self) -> None:
        await self._callee.send(CallAccept(self._call_id, ANSWER))
        await self._caller.expect(CallAccepted, call_id=self._call_id, sdp_answer=ANSWER)

    async def _candidates_to_callee(self) -> None:
        await self._trickle(self._caller, self._callee)

    async def _candidates_to_caller(self) -> None:
        await self._trickle(self._callee, self._caller)

    async def _trickle(self, sender: Participant, receiver: Participant) -> None:
        for candidate in CANDIDATES:
            await sender.send(IceCandidate(self._call_id, candidate))
        for candidate in CANDIDATES:
            await receiver.expect(IceCandidate, call_id=self._call_id, candidate=candidate)

    async def _end(self) -> None:
        await self._caller.send(CallEnd(self._call_id, REASON))
        await self._callee.expect(CallEnded, call_id=self._call_id, reason=REASON)

    async def _reject(self) -> None:
        call_id = new_call_id()
        await self._caller.send(CallInitiate(self._callee.id, OFFER, call_id))
        await self._callee.expect(IncomingCall, call_id=call_id, sdp_offer=OFFER)
        await self._callee.send(CallReject(call_id, REASON))
        await self._caller.expect(CallRejected, call_id=call_id, reason=REASON)

    async def _garbage(self) -> None:
        await self._caller.connection.send_frame("{this is no JSON")
        await self._caller.expect(Error, code=ErrorCode.INVALID_MESSAGE)

    async def _nobody(self) -> None:
        await self._caller.send(CallInitiate(new_client_id("nobody"), OFFER))
        await self._caller.expect(Error, code=ErrorCode.TARGET_NOT_FOUND)

    async def _ended_call(self) -> None:
        await self._caller.send(CallEnd(self._call_id))
        await self._caller.expect(Error, code=ErrorCode.CALL_NOT_FOUND)
