"""Statements as PKD_RESULT lists them (TRUST.md, "What is added to the wire")."""

from msgspec import UNSET, Struct, UnsetType


class ListedSignatures(Struct, omit_defaults=True, gc=False):
    """The signatures of a statement, in base64url; none of the statement that the client knows."""

    identity: str | UnsetType = UNSET
    previous: str | UnsetType = UNSET
    recovery: str | UnsetType = UNSET


class ListedStatement(Struct, omit_defaults=True, gc=False):
    """A statement of a client ID: by its owner (kind 1), or after a release (2). An erased one has its kind alone."""

    kind: int
    statement: str | UnsetType = UNSET
    signatures: ListedSignatures | UnsetType = UNSET
