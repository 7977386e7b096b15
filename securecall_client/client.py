"""A client of a signaling server: an ID that stays registered, its requests, and what comes."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from securecall_client.connection import Connection
from securecall_client.ids import new_call_id
from securecall_client.messages import (
    CallAccept,
    CallEnd,
    CallInitiate,
    CallReject,
    ClientMessage,
    IceCandidate,
    PkdLookup,
    PkdRegister,
    PkdResult,
    ServerMessage,
    TurnCredentials,
    TurnCredentialsRequest,
)
from securecall_client.ownership import Identity
from securecall_client.parts import Candidate
from securecall_client.patience import patiently
from securecall_client.reconnect import BackOff, ReconnectPolicy
from securecall_client.registration import Event, Registration
from securecall_client.standing import CallRequest

HEARTBEAT_SECONDS = 30  # half of what the server waits for
REQUEST_SECONDS = 10
BACK_OFF = BackOff()

Answer = TypeVar("Answer", bound=ServerMessage)


class Client:
    """A registered client; iterate over it for events.

    ::

        async with Client("wss://host/signal", "alice") as client:
            call_id = await client.call("bob", offer)
            async for event in client:
                match event:
                    case CallAccepted(sdp_answer=answer):
                        ...
                    case CallEnded() | CallRejected():
                        break

    Entering connects and registers; it raises what `Connection.open` does, and `RequestError` or `ClosedError` where
    REGISTER is refused. From then on the client sends heartbeats and connects again by itself, as `reconnect` decides;
    its calls go on meanwhile. Leaving closes the connection, which ends its calls.

    **Events** come in order, each once, and wait until they are read; what the server sends again on a later connection
    is left out. First comes `Registered`, and again after each reconnect; `Disconnected`; `IncomingCall`,
    `CallAccepted`, `CallRejected`, `CallEnded` and `IceCandidate`; an `Error` that belongs to none of the requests
    below. A call that ended unheard while the client was away is told as `CallEnded`, "gone". The iteration ends once
    the client is closed or stays away.

    **Requests** wait for a connection if there is none, and for their answer, together for at most `timeout` seconds;
    where the server answers RATE_LIMITED they are sent again, as long as that is allowed in this time. They raise
    `RequestError` where the server refuses, `InvalidFrameError` where its answer is not the protocol's, `TimeoutError`,
    and `ClosedError` where the connection broke before the answer: then the request may or may not have been carried
    out. Of those about calls the next connection tells, by what the server lists; they are made again if they were not,
    and raise `ClosedError` where there is none.
    """

    def __init__(  # noqa: PLR0913 -- each has a default
        self,
        url: str | Callable[[], str],
        client_id: str,
        *,
        reconnect: ReconnectPolicy = BACK_OFF,
        timeout: float = REQUEST_SECONDS,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        identity: Identity | None = None,
        **options: Any,
    ) -> None:
        """Make a client, inside a coroutine; it connects when it is entered.

        `url` is a function where the address may change: it is called before each attempt. `client_id` is 1 to 64
        letters, digits, hyphens or underscores. `identity` signs where it belongs to a key. `options` are those of
        `Connection.open`.
        """
        self.id = client_id
        self._timeout = timeout

        async def open_connection() -> Connection:
            return await Connection.open(url if isinstance(url, str) else url(), **options)

        self._registration = Registration(
            open_connection,
            client_id,
            reconnect,
            timeout=timeout,
            heartbeat_seconds=heartbeat_seconds,
            identity=identity,
        )

    async def __aenter__(self) -> Self:
        await self._registration.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        events = self._registration.events
        event = await events.get()
        if event is None:
            # Every later iteration ends at once, too.
            events.put_nowait(None)
            raise StopAsyncIteration
        return event

    async def close(self, code: int = 1000) -> None:
        """Close for good. 1000 ends the client's calls at once, other codes hold them (`Connection.close`)."""
        await self._registration.stop(code)

    # --- Calls -----------------------------------------------------------------------------------

    async def call(self, target_id: str, sdp_offer: str, call_id: str | None = None) -> str:
        """Call a client and return the call's ID, new unless given; it rings when this returns.

        `RequestError`: TARGET_NOT_FOUND where it is not connected; INVALID_MESSAGE for an empty offer, one that makes
        the message longer than 65,536 bytes, this client's own ID, or a `call_id` in use.
        """
        call_id = call_id or new_call_id()
        self._registration.repeats.forget(call_id)
        await self._confirm(CallInitiate(target_id, sdp_offer, call_id), call_id)
        return call_id

    async def accept(self, call_id: str, sdp_answer: str) -> None:
        """Accept a call; `RequestError` CALL_NOT_FOUND where it does not ring here any more."""
        await self._confirm(CallAccept(call_id, sdp_answer), call_id)

    async def reject(self, call_id: str, reason: str | None = None) -> None:
        """Reject a call, with a reason of up to 64 characters for the caller; errors as for `accept`."""
        await self._confirm(CallReject(call_id, reason), call_id)

    async def end(self, call_id: str, reason: str | None = None) -> None:
        """End or cancel a call, with a reason of up to 64 characters for the peer.

        `RequestError` CALL_NOT_FOUND where it has ended already, as when both sides end it at once.
        """
        await self._confirm(CallEnd(call_id, reason), call_id)

    async def send_candidate(self, call_id: str, candidate: Candidate) -> None:
        """Send a candidate to the call's peer, "" or None after the last one; waits for a connection alone.

        Candidates are many and their order counts, so nothing is waited for or sent again; where one is refused, an
        `Error` comes as an event.
        """
        async with asyncio.timeout(self._timeout):
            await (await self._registration.exchange()).send(IceCandidate(call_id, candidate))

    # --- Keys and TURN ---------------------------------------------------------------------------

    async def publish_key(self, public_key: str) -> None:
        """Publish this client's public key, opaque to the server; it is stored when this returns.

        `RequestError` INVALID_MESSAGE for a key that is empty or too long, revoked or, where the client is frozen, new.
        """
        await self._ask(PkdRegister(self.id, public_key), PkdResult)

    async def look_up_key(self, client_id: str) -> str | None:
        """Return a client's public key, online or not; None where it has none, or a revoked one."""
        return (await self._ask(PkdLookup(client_id), PkdResult)).public_key

    async def turn_credentials(self) -> TurnCredentials:
        """Return fresh TURN credentials, for a client that stays connected longer than it may use the last ones."""
        return await self._ask(TurnCredentialsRequest(), TurnCredentials)

    # --- Any message -----------------------------------------------------------------------------

    async def send(self, message: ClientMessage) -> None:
        """Send a message at once; `ClosedError` without a connection. An answer or `Error` comes as an event."""
        await self._registration.exchange_now().send(message)

    async def request(self, message: ClientMessage, answer: type[Answer]) -> Answer:
        """Send a message once and return its answer, of this type; as other requests, but RATE_LIMITED is raised."""
        async with asyncio.timeout(self._timeout):
            return await (await self._registration.exchange()).request(message, answer)

    async def _ask(self, message: ClientMessage, answer: type[Answer]) -> Answer:
        return await patiently(lambda: self.request(message, answer), self._timeout)

    async def _confirm(self, request: CallRequest, call_id: str) -> None:
        await patiently(lambda: self._registration.confirm(request, call_id), self._timeout)
