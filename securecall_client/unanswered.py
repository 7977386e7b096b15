"""Which request an answer belongs to.

The server answers a connection's requests in their order (docs/protocol.md, "Errors"). Two rules follow:

- An answer belongs to the oldest request that it can be for. An `ERROR` names its request and call; one that does not
  is for a frame that the server could not read, or, of release 0.1.0, that is too long. A heartbeat's never is.
- A request that is silent on success has succeeded once a later one is answered. So each is followed by a heartbeat;
  an `ERROR` for that heartbeat, which a rate limit may have refused, is as good as its answer.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from securecall_client.errors import InvalidFrameError, RequestError, SecureCallError
from securecall_client.messages import Error, HeartbeatAck, ServerMessage


@dataclass(frozen=True, slots=True)
class _Request:
    name: str
    call_id: str | None
    answer: type[ServerMessage] | None
    settled: "asyncio.Future[Any]"

    def is_answered_by(self, message: ServerMessage) -> bool:
        if not isinstance(message, Error):
            return self.answer is not None and isinstance(message, self.answer)
        if message.request is None:
            return self.answer is not HeartbeatAck
        return message.request == self.name and message.call_id in {self.call_id, None}


class Unanswered:
    """The requests of one connection that were sent and not answered, oldest first."""

    def __init__(self) -> None:
        self._requests: list[_Request] = []

    def add(
        self, name: str, *, call_id: str | None = None, answer: type[ServerMessage] | None = None
    ) -> "asyncio.Future[Any]":
        """Add a request that is sent now; without an `answer` it is silent on success.

        The future gets the answer, None for a silent one, or `RequestError`.
        """
        settled: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._requests.append(_Request(name, call_id, answer, settled))
        return settled

    def settle(self, message: ServerMessage) -> bool:
        """Settle the request that `message` answers, and silent ones before it; False where it answers none."""
        place = next((place for place, it in enumerate(self._requests) if it.is_answered_by(message)), None)
        if place is None:
            return False
        earlier, answered = self._requests[:place], self._requests[place]
        self._requests[: place + 1] = [request for request in earlier if request.answer is not None]
        for request in earlier:
            if request.answer is None:
                _resolve(request, None)
        _resolve(answered, RequestError.of(message) if isinstance(message, Error) else message)
        return True

    def fail_unreadable(self, error: InvalidFrameError) -> bool:
        """Fail the request that a message answers which cannot be read; False where it answers none.

        Left unanswered, it would be given the next answer of its type, which is another request's.
        """
        request = next((it for it in self._requests if it.answer is not None and it.answer is error.answer), None)
        if request is None:
            return False
        self._requests.remove(request)
        _resolve(request, error)
        return True

    def fail(self, error: SecureCallError) -> None:
        """Fail all of them: their connection is gone."""
        requests, self._requests = self._requests, []
        for request in requests:
            _resolve(request, error)


def _resolve(request: _Request, result: ServerMessage | SecureCallError | None) -> None:
    settled = request.settled
    # Its caller may have given up, and the answer to a heartbeat is not waited for.
    if settled.done():
        return
    if isinstance(result, SecureCallError):
        settled.set_exception(result)
        settled.exception()
    else:
        settled.set_result(result)
