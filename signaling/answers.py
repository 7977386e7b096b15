"""PKD_RESULT: what a client says that it knows, and the answer that tells it the rest, with or without proofs."""

from typing import Any, NamedTuple

from msgspec import UNSET

from pkd import keys, statements
from pkd.identities import ALL, Listed, Standing
from signaling.protocol import client_messages, server_messages
from signaling.protocol.errors import InvalidMessageError
from signaling.protocol.fields import or_unset
from signaling.protocol.listed import ListedSignatures, ListedStatement, Proof
from transparency.proofs import Answer

SIZE = "size is the size of the tree that you know, a whole number from 0; or leave it out."
AFTER = "after is the seq of the statement that you know, a whole number from -1; or leave it out."


class Known(NamedTuple):
    """The `seq` of the statement, and the size of the tree, that a client knows."""

    after: int
    size: int


NOTHING_KNOWN = Known(ALL, 0)


def read_known(message: client_messages.PkdLookup | client_messages.PkdRegister) -> Known:
    """Read what a client knows; raises `InvalidMessageError`."""
    after = message.after if is_given(message.after) else ALL
    size = message.size if is_given(message.size) else 0
    if type(after) is not int or after < ALL:
        raise InvalidMessageError(AFTER)
    if type(size) is not int or size < 0:
        raise InvalidMessageError(SIZE)
    # There is no statement behind, and no entry; a database has no room for any number.
    return Known(min(after, statements.SEQ_END), size)


def is_given(value: Any) -> bool:
    """Return whether an optional field is there; `null` is as good as left out."""
    return value is not UNSET and value is not None


def proved(client_id: str, answer: Answer) -> server_messages.PkdResult:
    """Return a look-up's answer with its proof: updates stand in the place of kinds."""
    result = told(client_id, answer.standing)
    for row, update in zip(result.statements or (), answer.updates, strict=True):
        row.kind, row.update = UNSET, keys.base64url(update)
    proof = answer.proof
    leaf, consistency = proof.non_inclusion_leaf, proof.consistency
    result.proof = Proof(
        checkpoint=proof.signed.checkpoint,
        entry=keys.base64url(proof.entry),
        inclusion=keys.base64url(b"".join(proof.inclusion)),
        vrf_proof=keys.base64url(proof.vrf_proof),
        siblings=keys.base64url(b"".join(proof.siblings)),
        non_inclusion_leaf=None if leaf is None else keys.base64url(leaf),
        consistency=UNSET if consistency is None else keys.base64url(b"".join(consistency)),
    )
    return result


def told(client_id: str, standing: Standing) -> server_messages.PkdResult:
    """Return a look-up's answer without a proof."""
    return server_messages.PkdResult(
        client_id,
        standing.public_key,
        standing.directory,
        standing.status,
        [_listed(row) for row in standing.statements],
        or_unset(standing.released_at_ms),
    )


def _listed(row: Listed) -> ListedStatement:
    if not row.text:
        return ListedStatement(row.kind)
    identity, previous, recovery = row.signatures or (None, None, None)
    signatures = ListedSignatures(or_unset(identity), or_unset(previous), or_unset(recovery))
    return ListedStatement(row.kind, statement=row.text, signatures=signatures)
