"""The errors of a message: the reference's five codes, each with a sentence that says what to do."""

from enum import StrEnum


class ErrorCode(StrEnum):
    """The codes of the reference, "Error Codes"; there are no others."""

    INVALID_MESSAGE = "INVALID_MESSAGE"
    NOT_REGISTERED = "NOT_REGISTERED"
    TARGET_NOT_FOUND = "TARGET_NOT_FOUND"
    CALL_NOT_FOUND = "CALL_NOT_FOUND"
    RATE_LIMITED = "RATE_LIMITED"


class ProtocolError(Exception):
    """A message that cannot be carried out; answered with `ERROR`, the connection stays."""

    code: ErrorCode
    # To be signed by the owner of the client ID (TRUST.md, "REGISTER").
    challenge: str | None = None

    def __init__(self, sentence: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.retry_after_seconds = retry_after_seconds


class InvalidMessageError(ProtocolError):
    """The frame or one of its fields is not what PROTOCOL.md, "Frames", asks for."""

    code = ErrorCode.INVALID_MESSAGE


class NotRegisteredError(ProtocolError):
    """The connection has no client ID yet, or not this one."""

    code = ErrorCode.NOT_REGISTERED

    def __init__(self, sentence: str = "Send REGISTER with your clientId first.", challenge: str | None = None) -> None:
        super().__init__(sentence)
        self.challenge = challenge


class TargetNotFoundError(ProtocolError):
    """The client that should be called is not connected."""

    code = ErrorCode.TARGET_NOT_FOUND

    def __init__(self) -> None:
        super().__init__("The client you called is not connected; try again when it is online.")


class CallNotFoundError(ProtocolError):
    """The call does not exist, or this client may not do this to it now; a client cannot tell which."""

    code = ErrorCode.CALL_NOT_FOUND

    def __init__(self) -> None:
        super().__init__("There is no such call for you in a state that allows this; start a new call.")


class RateLimitedError(ProtocolError):
    """The client asks for too much, too fast; `retry_after_seconds` says how long to wait."""

    code = ErrorCode.RATE_LIMITED

    def __init__(self, sentence: str, retry_after_seconds: float) -> None:
        super().__init__(sentence, retry_after_seconds)


class UnavailableError(RateLimitedError):
    """Redis or the database is away; RATE_LIMITED is the only one of the five codes that means "try again"."""

    def __init__(self) -> None:
        super().__init__("The server cannot do this right now; send it again after a moment.", 1)
