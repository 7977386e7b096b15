"""Which calls a client is part of, and what became of them while it was away (PROTOCOL.md, "Calls").

`REGISTERED` lists the calls that stand. A request whose connection broke before its answer was carried out or not: the
list says which. A call that is not listed any more, and of whose end nothing waited, has ended unheard.
"""

from collections.abc import Sequence
from typing import TypeAlias

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


class Standing:
    """The calls that the client is part of, as far as it has heard."""

    def __init__(self) -> None:
        self._calls: set[str] = set()
        self._listed: dict[str, OpenCall] = {}

    def registered(self, calls: Sequence[OpenCall]) -> None:
        """Learn which calls the server lists."""
        self._listed = {call.call_id: call for call in calls}
        self._calls |= self._listed.keys()

    def heard(self, message: ServerMessage) -> None:
        """Learn from a message that came."""
        match message:
            case IncomingCall() | CallAccepted():
                self._calls.add(message.call_id)
            case CallEnded() | CallRejected():
                self._calls.discard(message.call_id)
                self._listed.pop(message.call_id, None)

    def did(self, request: CallRequest, call_id: str) -> None:
        """Learn from a request that was carried out."""
        if isinstance(request, CallReject | CallEnd):
            self._calls.discard(call_id)
        else:
            self._calls.add(call_id)

    def gone(self) -> list[CallEnded]:
        """Return the ends of the calls that the server does not list, once everything that waited has come."""
        return [CallEnded(call_id, GONE) for call_id in sorted(self._calls - self._listed.keys())]

    def is_done(self, request: CallRequest, call_id: str) -> bool:
        """Return whether a request was carried out on the connection that broke, or has no more use."""
        listed = self._listed.get(call_id)
        match request:
            case CallInitiate():
                return listed is not None
            case CallAccept():
                return listed is not None and listed.state == "active"
            case _:
                return listed is None
