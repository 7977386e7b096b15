"""Verify cases of a transparency log with tlog-scales: both signatures, inclusion, consistency; it reads C2SP tiles."""

import base64
from functools import partial

from tlog_scales.backend import make_backend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey
from tlog_scales.tiles import leaf_hash
from tlog_scales.tlog import Checkpoint, ConsistencyProof, InclusionProof

from tests.verifiers.verdicts import Case, write_verdicts


def verify(vkey: Vkey, case: Case) -> None:
    """Raise what tlog-scales raises for a case that it refuses."""
    number, earlier = case["number"], case["earlier"]
    if url := case.get("url"):
        reader = TilesReader(make_backend(url))
        checkpoint = reader.get_checkpoint()
        if reader.calculate_root_hash() != checkpoint.root_hash:
            raise ValueError("the tiles do not give the root")
        entry = reader.get_entry(number)
        inclusion = reader.get_inclusion_proof(number, checkpoint.size)
        consistency = reader.get_consistency_proof(earlier, checkpoint.size)
    else:
        checkpoint = Checkpoint.from_text(case["checkpoint"])
        entry = base64.b64decode(case["entry"])
        inclusion = InclusionProof(number, checkpoint.size, decoded(case["inclusion"]))
        consistency = ConsistencyProof(earlier, checkpoint.size, decoded(case["consistency"]))
    if checkpoint.origin != vkey.name:
        raise ValueError("another log's checkpoint")
    checkpoint.verify(vkey)
    checkpoint.verify(Vkey(vkey.name, None, 4, vkey.pubkey))
    inclusion.check(leaf_hash(entry), checkpoint.root_hash)
    (earlier_root,) = decoded(case["earlierRoot"])
    consistency.check(earlier_root, checkpoint.root_hash)


def decoded(hashes: list[str]) -> list[bytes]:
    """Decode hashes."""
    return [base64.b64decode(one) for one in hashes]


if __name__ == "__main__":
    write_verdicts(lambda vkey: partial(verify, Vkey.from_string(vkey)))
