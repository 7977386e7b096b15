"""The VRF: RFC 9381's own examples, and each key and proof that a verifier has to refuse."""

import pytest

from tests.support.vectors import load
from transparency import vrf

TRUST = load("trust")
VECTORS = TRUST["vrf"]
KEY = vrf.PrivateKey(bytes.fromhex(TRUST["vrfSeed"]))


def test_examples_of_the_rfc() -> None:
    assert len(VECTORS["rfc9381B3"]) == 3
    for case in VECTORS["rfc9381B3"]:
        data = {name: bytes.fromhex(text) for name, text in case.items()}
        key = vrf.PrivateKey(data["sk"])
        assert key.public == data["pk"]
        assert key.prove(data["alpha"]) == data["pi"]
        assert vrf.verify(key.public, data["alpha"], data["pi"]) == data["beta"]


def test_indexes_of_client_ids() -> None:
    assert KEY.public == vrf.PrivateKey(bytes.fromhex(TRUST["vrfSeed"])).public
    assert len(TRUST["indexes"]) == len(TRUST["vrfProofs"]) == 3
    for client_id, index in TRUST["indexes"].items():
        proof = KEY.prove(client_id.encode())
        assert proof.hex() == TRUST["vrfProofs"][client_id]
        assert vrf.index_of(proof).hex() == index
        assert vrf.verify(KEY.public, client_id.encode(), proof)[: vrf.INDEX_BYTES].hex() == index


def test_bad_keys_and_proofs_are_refused() -> None:
    assert len(VECTORS["refused"]) == 17
    for case in VECTORS["refused"]:
        with pytest.raises(vrf.BadProofError):
            vrf.verify(bytes.fromhex(case["key"]), case["alpha"].encode(), bytes.fromhex(case["proof"]))


@pytest.mark.parametrize("why", ["Gamma with y = p + 1", "Gamma with x = 0 and the sign bit"])
def test_other_spellings_of_a_point_are_refused_as_such(why: str) -> None:
    (case,) = (case for case in VECTORS["refused"] if case["why"] == why)
    proof = bytes.fromhex(case["proof"])
    for key, spelling in ((KEY.public, proof), (proof[:32], KEY.prove(b"alice"))):
        with pytest.raises(vrf.BadProofError, match="not the encoding of a point"):
            vrf.verify(key, b"alice", spelling)


def test_what_lies_outside_the_subgroup_changes_no_output() -> None:
    assert len(VECTORS["accepted"]) == 2
    for case in VECTORS["accepted"]:
        for proof in {case["proof"], case.get("proofWithout", case["proof"])}:
            found = vrf.verify(bytes.fromhex(case["key"]), case["alpha"].encode(), bytes.fromhex(proof))
            assert found.hex() == case["output"]


def test_no_flipped_bit_is_accepted() -> None:
    proof = bytes.fromhex(TRUST["vrfProofs"]["alice"])
    # One bit in each byte: what is left out differs by nothing but its place.
    for at in range(len(proof)):
        flipped = bytearray(proof)
        flipped[at] ^= 1 << at % 8
        with pytest.raises(vrf.BadProofError):
            vrf.verify(KEY.public, b"alice", bytes(flipped))


@pytest.mark.parametrize("seed", [b"", bytes(31), bytes(33)], ids=len)
def test_seed_has_32_bytes(seed: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        vrf.PrivateKey(seed)
