"""What messages are made of (docs/protocol.md)."""

from typing import Any, TypeAlias

from msgspec import Struct

# A string as in `RTCIceCandidate.candidate` ("" ends the candidates), `RTCIceCandidate.toJSON()`, or the null that
# browsers' `onicecandidate` gives last. Opaque: it arrives as it was sent.
Candidate: TypeAlias = str | dict[str, Any] | None
# There are more statements behind an answer with so many.
MOST_STATEMENTS = 32
# In these states nothing is published, whatever the last statement says.
WITHHELD = frozenset({"revoked", "released", "erased"})


class IceServer(Struct, omit_defaults=True):
    """A STUN or TURN server in the shape of the W3C's `RTCIceServer`; STUN servers have neither name nor credential."""

    urls: str | list[str]  # the server sends one URL
    username: str | None = None  # "<unix expiry>:<client ID>"
    credential: str | None = None

    @property
    def all_urls(self) -> list[str]:
        """`urls` as a list."""
        return [self.urls] if isinstance(self.urls, str) else self.urls


class OpenCall(Struct, rename="camel"):
    """A call that a client which registers is still part of."""

    call_id: str
    peer_id: str
    role: str  # "caller" or "callee"
    state: str  # "ringing" or "active"


class StatementSignatures(Struct, omit_defaults=True):
    """The signatures of a statement in base64url: by its own identity, and by who had the ID before."""

    identity: str | None = None
    previous: str | None = None
    recovery: str | None = None


class ListedStatement(Struct, omit_defaults=True):
    """A statement that the server accepted; `transparency.check` verifies it where the server has a public log."""

    kind: int | None = None  # by the owner (1), or after a release (2); None where there is an update
    update: str | None = None  # what the public log says of it
    statement: str | None = None  # None of an ID that was erased
    signatures: StatementSignatures | None = None  # empty for the statement that was known
