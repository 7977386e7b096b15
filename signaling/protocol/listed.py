"""What messages list: calls, statements (TRUST.md, "What is added to the wire"), and the proof of an answer."""

from msgspec import UNSET, Struct, UnsetType

from pkd.keys import ClientId
from signaling.protocol.calls import Role, State
from signaling.protocol.fields import CallId


class RegisteredCall(Struct, rename="camel", gc=False):
    """A call that a client which registers is part of."""

    call_id: CallId
    peer_id: ClientId
    role: Role
    state: State


class ListedSignatures(Struct, omit_defaults=True, gc=False):
    """The signatures of a statement, in base64url; none of the statement that the client knows."""

    identity: str | UnsetType = UNSET
    previous: str | UnsetType = UNSET
    recovery: str | UnsetType = UNSET


class ListedStatement(Struct, omit_defaults=True, gc=False):
    """A statement, with its update where there is a log, else its kind (1 by the owner, 2 after a release).

    An erased client ID has nothing else.
    """

    kind: int | UnsetType = UNSET
    update: str | UnsetType = UNSET
    statement: str | UnsetType = UNSET
    signatures: ListedSignatures | UnsetType = UNSET


class Proof(Struct, rename="camel", gc=False):
    """The proof of an answer by the log, in base64url (TRUST.md, "The log"); hashes stand one behind the other."""

    checkpoint: str
    entry: str
    inclusion: str
    vrf_proof: str
    siblings: str
    # The leaf met in place of an absent index; `null` for an empty place, or if the index is there.
    non_inclusion_leaf: str | None
    # Left out for a client that knows a larger tree.
    consistency: str | UnsetType = UNSET
