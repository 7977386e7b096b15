"""The whole reference flow against a server, step by step: two clients, the directory, calls, errors, relays."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

from websockets.exceptions import WebSocketException

from probe.client import Client, Message, new_call_id, new_client_id
from probe.failures import ProbeError, WrongAnswerError, sentence
from probe.health import check_health
from probe.outcome import Outcome
from turn.allocation import AllocationError, UnsupportedTransportError, allocate
from turn.credentials import Credential

# Line ends, quotes, escapes and letters beyond ASCII, which a relay that is not opaque would change.
OFFER = 'v=0\r\no=- 4611731400430051336 2 IN IP4 192.0.2.1\r\ns="smoke" \\ – ü\r\nt=0 0\r\n  \t\r\n'
ANSWER = OFFER.replace("4611731400430051336", "1836002147654321098")
CANDIDATES: list[str | Message] = [
    *(f"candidate:{number} 1 udp {2122260223 - number} 192.0.2.1 {50_000 + number} typ host" for number in range(6)),
    {"candidate": "candidate:7 1 tcp 1518280447 192.0.2.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0},
    "",
]
REASON = "smoke"


@dataclass(frozen=True, slots=True)
class Step:
    """What was tried, how long it took, and a sentence where it is not well."""

    title: str
    outcome: Outcome
    milliseconds: float
    sentence: str = ""

    def as_json(self) -> Message:
        """The step for machines."""
        return asdict(self) | {"milliseconds": round(self.milliseconds, 2)}


@dataclass(frozen=True, slots=True)
class Options:
    """What is tried, and against whom; `seconds` is how long each answer may take."""

    url: str
    seconds: float = 10
    origin: str | None = None
    requires_turn: bool = False
    publishes_key: bool = True


class Flow:
    """Two clients on their way through the reference, "Typical Call Flow"."""

    def __init__(self, options: Options) -> None:
        """Nothing happens before `run`."""
        self._options = options
        self._clients: list[Client] = []
        self._ice_servers: list[Message] = []
        self._call_id = ""

    async def run(self) -> AsyncIterator[Step]:
        """Take every step, up to the first that fails; relays are all tried."""
        try:
            for title, take in self._steps():
                step = await self._timed(title, take)
                yield step
                if step.outcome is Outcome.FAILED:
                    return
            async for step in self._relays():
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

    async def _timed(self, title: str, take: Callable[[], Awaitable[None]]) -> Step:
        begin = time.perf_counter()
        outcome, what = Outcome.OK, ""
        try:
            await take()
        except (ProbeError, OSError, WebSocketException) as error:
            options = self._options
            outcome, what = Outcome.FAILED, sentence(error, options.url, options.seconds, options.origin)
        return Step(title, outcome, (time.perf_counter() - begin) * 1000, what)

    @property
    def _caller(self) -> Client:
        return self._clients[0]

    @property
    def _callee(self) -> Client:
        return self._clients[1]

    async def _health(self) -> None:
        await asyncio.to_thread(check_health, self._options.url, self._options.seconds)

    async def _connect(self) -> None:
        options = self._options
        client = await Client.connected(
            options.url, new_client_id("smoke"), seconds=options.seconds, origin=options.origin
        )
        self._clients.append(client)

    async def _before_register(self) -> None:
        await self._caller.send("PKD_LOOKUP", {"clientId": self._callee.id})
        await self._caller.expect("ERROR", {"code": "NOT_REGISTERED"})

    async def _register_caller(self) -> None:
        registered = await self._caller.register()
        servers = registered.get("iceServers")
        if not isinstance(servers, list):
            raise WrongAnswerError("REGISTERED came without a list of iceServers.")
        self._ice_servers = servers

    async def _register_callee(self) -> None:
        await self._callee.register()

    async def _heartbeat(self) -> None:
        await self._caller.send("HEARTBEAT", {})
        await self._caller.expect("HEARTBEAT_ACK", {})

    async def _publish(self) -> None:
        key = self._key()
        await self._caller.send("PKD_REGISTER", key)
        await self._caller.expect("PKD_RESULT", key)

    async def _look_up(self) -> None:
        key = self._key()
        await self._callee.send("PKD_LOOKUP", {"clientId": self._caller.id})
        await self._callee.expect("PKD_RESULT", key)

    def _key(self) -> Message:
        return {"clientId": self._caller.id, "publicKey": f"a public key of {self._caller.id}, which is no secret"}

    async def _call(self) -> None:
        # As the reference has it: the server chooses the call's ID, and the callee is the first to know it.
        await self._caller.send("CALL_INITIATE", {"targetId": self._callee.id, "sdpOffer": OFFER})
        incoming = await self._callee.expect("INCOMING_CALL", {"callerId": self._caller.id, "sdpOffer": OFFER})
        self._call_id = str(incoming.get("callId", ""))

    async def _accept(self) -> None:
        answer = {"callId": self._call_id, "sdpAnswer": ANSWER}
        await self._callee.send("CALL_ACCEPT", answer)
        await self._caller.expect("CALL_ACCEPTED", answer)

    async def _candidates_to_callee(self) -> None:
        await self._trickle(self._caller, self._callee)

    async def _candidates_to_caller(self) -> None:
        await self._trickle(self._callee, self._caller)

    async def _trickle(self, sender: Client, receiver: Client) -> None:
        candidates = [{"callId": self._call_id, "candidate": candidate} for candidate in CANDIDATES]
        for candidate in candidates:
            await sender.send("ICE_CANDIDATE", candidate)
        for candidate in candidates:
            await receiver.expect("ICE_CANDIDATE", candidate)

    async def _end(self) -> None:
        end = {"callId": self._call_id, "reason": REASON}
        await self._caller.send("CALL_END", end)
        await self._callee.expect("CALL_ENDED", end)

    async def _reject(self) -> None:
        call_id = new_call_id()
        call = {"targetId": self._callee.id, "sdpOffer": OFFER, "callId": call_id}
        await self._caller.send("CALL_INITIATE", call)
        await self._callee.expect("INCOMING_CALL", {"callId": call_id, "sdpOffer": OFFER})
        rejection = {"callId": call_id, "reason": REASON}
        await self._callee.send("CALL_REJECT", rejection)
        await self._caller.expect("CALL_REJECTED", rejection)

    async def _garbage(self) -> None:
        await self._caller.send_text("{this is no JSON")
        await self._caller.expect("ERROR", {"code": "INVALID_MESSAGE"})

    async def _nobody(self) -> None:
        await self._caller.send("CALL_INITIATE", {"targetId": new_client_id("nobody"), "sdpOffer": OFFER})
        await self._caller.expect("ERROR", {"code": "TARGET_NOT_FOUND"})

    async def _ended_call(self) -> None:
        await self._caller.send("CALL_END", {"callId": self._call_id})
        await self._caller.expect("ERROR", {"code": "CALL_NOT_FOUND"})

    async def _relays(self) -> AsyncIterator[Step]:
        relays = [server for server in self._ice_servers if str(server.get("urls", "")).startswith("turn")]
        if not relays:
            outcome = Outcome.FAILED if self._options.requires_turn else Outcome.WARNING
            yield Step(
                "TURN", outcome, 0, "The server hands out no TURN server: set TURN_SECRET and TURN_URLS where it runs."
            )
        for relay in relays:
            yield await self._relay(relay)

    async def _relay(self, relay: dict[str, Any]) -> Step:
        url = str(relay["urls"])
        title = f"allocate on {url}"
        credential = Credential(str(relay.get("username")), str(relay.get("credential")))
        try:
            allocation = await allocate(url, credential, self._options.seconds)
        except UnsupportedTransportError as error:
            return Step(title, Outcome.WARNING, 0, str(error))
        except AllocationError as error:
            return Step(title, Outcome.FAILED, 0, str(error))
        outcome = Outcome.WARNING if allocation.warning else Outcome.OK
        return Step(title, outcome, allocation.milliseconds, allocation.warning)
