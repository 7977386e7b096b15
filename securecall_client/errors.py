"""The client's errors, besides those that opening a connection raises (`Connection.open`)."""

from enum import StrEnum
from typing import Self

from securecall_client.messages import Error, ServerMessage

ABNORMAL = 1006  # RFC 6455, section 7.1.5: the connection ended without a close frame


class ErrorCode(StrEnum):
    """The protocol's codes (docs/protocol.md, "Errors")."""

    INVALID_MESSAGE = "INVALID_MESSAGE"
    NOT_REGISTERED = "NOT_REGISTERED"
    TARGET_NOT_FOUND = "TARGET_NOT_FOUND"
    CALL_NOT_FOUND = "CALL_NOT_FOUND"
    RATE_LIMITED = "RATE_LIMITED"


class SecureCallError(Exception):
    """Any error of this package; the text is an English sentence."""


class RequestError(SecureCallError):
    """The server answered a request with `ERROR`; it was not carried out.

    `code` is one of `ErrorCode`, and what to decide by. `message` is the server's sentence for developers. `request`
    is the wire's type of the message that failed and `call_id` the call that it named; both may be None.
    `retry_after` is in seconds, None unless `code` is RATE_LIMITED, the only code that means "try again".
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        request: str | None = None,
        call_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{request or 'A message'} was answered with {code}: {message}")
        self.code = code
        self.message = message
        self.request = request
        self.call_id = call_id
        self.retry_after = retry_after

    @classmethod
    def of(cls, error: Error) -> Self:
        """Make the exception for an `ERROR` that came."""
        return cls(
            error.code,
            error.message,
            request=error.request,
            call_id=error.call_id,
            retry_after=None if error.retry_after_ms is None else error.retry_after_ms / 1000,
        )


class ClosedError(SecureCallError):
    """The connection is closed. What was sent on it and not answered may or may not have been carried out.

    `code` and `reason` are those of the server's close frame (docs/protocol.md, "Close codes"); 1006 and "" without
    one, 1000 once this client has closed it.
    """

    def __init__(self, code: int = ABNORMAL, reason: str = "") -> None:
        super().__init__(f"The connection is closed ({code}{f' {reason}' if reason else ''}).")
        self.code = code
        self.reason = reason


class InvalidFrameError(SecureCallError):
    """A frame came that is no message of the protocol, or a message whose fields are not the protocol's.

    `answer` is the type of that message; None where it is not known.
    """

    def __init__(self, sentence: str, answer: type[ServerMessage] | None = None) -> None:
        super().__init__(sentence)
        self.answer = answer
