"""Which calls a client is part of, and what became of them while it was away (PROTOCOL.md, "Calls").

`REGISTERED` lists the calls that stand. A request whose connection broke before its answer was carried out or not: the
list says which. A call that is not listed any more, and of whose end nothing waited, has ended unheard. A server that
lists none, as release 0.1.0, says nothing of either: the request is repeated, and its refusal tells.
"""

from collections.abc import Sequence
from typing import TypeAlias

from securecall_client.errors import ErrorCode
from securecall_client.messages import (
    CallAccept,
    CallAccepted,
    CallEnd,
    CallEnded,
    CallInitiate,
    CallReject,
    CallRejected,
    IncomingCall,
    ServerMessage,
)
from securecall_client.parts import OpenCall

GONE = "gone"

CallRequest: TypeAlias = CallInitiate | CallAccept | CallReject | CallEnd

# How a request is refused that was carried out before.
_REFUSED_AGAIN = {
    CallInitiate: ErrorCode.INVALID_MESSAGE,
    CallAccept: ErrorCode.CALL_NOT_FOUND,
    CallReject: ErrorCode.CALL_NOT_FOUND,
    CallEnd: ErrorCode.CALL_NOT_FOUND,
}


class Standing:
    """The calls that the client is part of, as far as it has heard."""

    def __init__(self) -> None:
        self._calls: set[str] = set()
        # As the last `REGISTERED` said; None: it lists no calls, whether there are some or not.
        self._listed: dict[str, OpenCall] | None = {}
        # Those that it should have listed.
        self._missed: set[str] = set()

    def registered(self, calls: Sequence[OpenCall] | None) -> None:
        """Learn which calls the server lists; None: it is one that lists none."""
        if calls is None:
            self._listed, self._missed = None, set()
            return
        self._listed = {call.call_id: call for call in calls}
        self._missed = self._calls - self._listed.keys()
        self._calls |= self._listed.keys()

    def heard(self, message: ServerMessage) -> None:
        """Learn from a message that came."""
        match message:
            case IncomingCall() | CallAccepted():
                self._learn(message.call_id)
            case CallEnded() | CallRejected():
                self._forget(message.call_id)
                if self._listed is not None:
                    self._listed.pop(message.call_id, None)

    def did(self, request: CallRequest, call_id: str) -> None:
        """Learn from a request that was carried out."""
        if isinstance(request, CallReject | CallEnd):
            self._forget(call_id)
        else:
            self._learn(call_id)

    def gone(self) -> list[CallEnded]:
        """Return the ends of the calls that the server does not list, once everything that waited has come."""
        return [CallEnded(call_id, GONE) for call_id in sorted(self._missed)]

    def is_done(self, request: CallRequest, call_id: str) -> bool:
        """Return whether a request was carried out on the connection that broke, or has no more use, by the list."""
        if self._listed is None:
            return False
        listed = self._listed.get(call_id)
        match request:
            case CallInitiate():
                return listed is not None
            case CallAccept():
                return listed is not None and listed.state == "active"
            case _:
                return listed is None

    def was_done(self, request: CallRequest, code: str) -> bool:
        """Return whether the refusal of a repeated request says that it was carried out before, for want of a list."""
        return self._listed is None and code == _REFUSED_AGAIN[type(request)]

    def _learn(self, call_id: str) -> None:
        self._calls.add(call_id)
        self._missed.discard(call_id)

    def _forget(self, call_id: str) -> None:
        self._calls.discard(call_id)
        self._missed.discard(call_id)
