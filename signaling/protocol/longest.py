"""The longest answer about a client ID that belongs to a key: what is published for it leaves room for its statements.

An answer with fewer statements than 32 is the last one (TRUST.md, "The log"): none may be left out for want of room.
"""

from pkd.keys import IDENTITY_CHARACTERS
from pkd.statements import SEQ_END, Statement
from signaling.protocol.errors import InvalidMessageError
from signaling.protocol.fields import MAX_FRAME_BYTES
from signaling.protocol.listed import ListedSignatures, ListedStatement, Proof
from signaling.protocol.server_messages import PkdResult

# In base64url: 32, 64 and 91 bytes.
DIGEST, SIGNATURE, IDENTITY = "_" * 43, "_" * 86, "_" * IDENTITY_CHARACTERS
LATEST_MS = 2**53
UPDATE, ENTRY, VRF_PROOF = "_" * 147, "_" * 190, "_" * 107
# In the public log, which may be turned on later: paths of a log of 2^32 entries, and a note with some witnesses.
PATH, CONSISTENCY, CHECKPOINT = "_" * 1366, "_" * 2731, "_" * 2048


def longest_answer(client_id: str, public_key: str, directory: str, statements: int) -> PkdResult:
    """Make the longest answer with a key and so many statements."""
    text = Statement(directory, client_id, SEQ_END - 1, DIGEST, IDENTITY, DIGEST, DIGEST).text
    signatures = ListedSignatures(SIGNATURE, SIGNATURE, SIGNATURE)
    listed = ListedStatement(update=UPDATE, statement=text, signatures=signatures)
    proof = Proof(CHECKPOINT, ENTRY, PATH, VRF_PROOF, PATH, None, CONSISTENCY)
    return PkdResult(client_id, public_key, directory, "signed", [listed] * statements, LATEST_MS, proof)


def check_room(client_id: str, public_key: str, directory: str, statements: int) -> None:
    """Raise `InvalidMessageError` for a key that leaves an answer no room for so many statements."""
    beyond = longest_answer(client_id, public_key, directory, statements).size - MAX_FRAME_BYTES
    if beyond > 0:
        raise InvalidMessageError(
            f"publicKey does not fit an answer of 65,536 bytes with {statements} statements beside it, in which each "
            f"control character takes six; give a key that is {beyond:,} bytes shorter there."
        )
