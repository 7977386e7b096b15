"""What an audit can end with, besides a log in order."""


class AuditError(Exception):
    """An audit that did not end well; the text is a sentence for people."""


class FaultError(AuditError):
    """The log is at fault: it breaks a rule that no honest server breaks."""


class WrongEntryError(FaultError):
    """An entry does not follow from the entries before it."""

    def __init__(self, number: int, sentence: str) -> None:
        super().__init__(f"Entry {number:,} is wrong: {sentence}")
        self.number = number


class NotServedError(AuditError):
    """The log could not be read; that says nothing about its contents."""


class StateError(AuditError):
    """The state file cannot be used."""
