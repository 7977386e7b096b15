"""The checks of the public log against the vectors: ours, RFC 9381's, and those of the Merkle tree by others."""

import json
from typing import Any

import msgspec
import pytest

from securecall_client.codec import decode
from securecall_client.transparency import Log, OtherLogError, Outcome, RefusedError, check
from securecall_client.transparency.notes import read_vkey
from securecall_client.transparency.proofs import check_consistent, check_last
from securecall_client.transparency.vrf import verify
from tests.support.vectors import load

TRUST, MERKLE = load("trust"), load("merkle")
HASHES = [bytes.fromhex(one) for one in MERKLE["hashes"]]
NOW = 1_790_000_010
# Sizes that no checkpoint and no client has: the earlier tree is the larger one, or has less than no entry.
OUT_OF_RANGE = 13


def payload(name: str) -> dict[str, Any]:
    answer: dict[str, Any] = TRUST[name]
    return answer | {"directory": TRUST["directory"]}


def log(size: int) -> Log:
    return Log(TRUST["vkey"], size, bytes.fromhex(TRUST["roots"][size - 1]))


def test_whole_answers_of_the_vectors_are_accepted() -> None:
    alice = check([payload("lookupAlice")], "alice", log(1), None, NOW)
    assert (alice.outcome, alice.public_key) == (Outcome.FIRST_TIME, TRUST["identities"]["alice2"])
    assert alice.pin is not None
    assert alice.pin.statement == TRUST["statements"][2][0]
    carol = check([payload("lookupCarol")], "carol", log(2), None, NOW)
    assert (carol.outcome, carol.log) == (Outcome.UNSIGNED, log(3))


def test_message_that_was_decoded_is_checked_as_it_came() -> None:
    message = decode(json.dumps({"type": "PKD_RESULT", "payload": payload("lookupCarol")}))
    assert check([msgspec.to_builtins(message)], "carol", log(2), None, NOW).outcome is Outcome.UNSIGNED


@pytest.mark.parametrize(("name", "client_id", "size"), [("lookupAlice", "alice", 2), ("lookupCarol", "carol", 1)])
def test_answer_is_held_to_the_size_that_was_asked_with(name: str, client_id: str, size: int) -> None:
    with pytest.raises(RefusedError, match=r"consistency|forked"):
        check([payload(name)], client_id, log(size), None, NOW)
    for elsewhere in ("alice", "carol"):
        with pytest.raises(RefusedError):
            check([payload(name)], elsewhere, log(size), None, NOW)


def test_log_that_was_replaced_is_told_from_one_that_is_wrong() -> None:
    directory, _, rest = TRUST["vkey"].partition("/")
    other = read_vkey(f"{directory}/{rest}")
    assert other.directory == "calls.example.org"
    vkey = "calls.example.org/e0_t1D0NBN1NCbCgYcVU1374Tunwgya6YG3uUI6kpk8"
    replaced = payload("lookupAlice")
    replaced["proof"] = replaced["proof"] | {
        "checkpoint": replaced["proof"]["checkpoint"].replace(vkey, f"{directory}/x")
    }
    with pytest.raises(OtherLogError):
        check([replaced], "alice", log(1), None, NOW)
    with pytest.raises(ValueError, match="vkey"):
        read_vkey(TRUST["vkey"].replace("c94dbc7c", "c94dbc7d"))


def test_vrf_vectors_are_verified() -> None:
    count = 0
    for one in TRUST["vrf"]["rfc9381B3"]:
        output = verify(*(bytes.fromhex(one[name]) for name in ("pk", "alpha", "pi")))
        assert output.hex() == one["beta"]
        count += 1
    for one in TRUST["vrf"]["accepted"]:
        assert (
            verify(bytes.fromhex(one["key"]), one["alpha"].encode(), bytes.fromhex(one["proof"])).hex() == one["output"]
        )
        count += 1
    for name, proof in TRUST["vrfProofs"].items():
        output = verify(read_vkey(TRUST["vkey"]).vrf, name.encode(), bytes.fromhex(proof))
        assert output[:32].hex() == TRUST["indexes"][name]
        count += 1
    assert count == 8


def test_vrf_vectors_that_have_to_be_refused_are() -> None:
    for one in TRUST["vrf"]["refused"]:
        with pytest.raises(RefusedError):
            verify(bytes.fromhex(one["key"]), one["alpha"].encode(), bytes.fromhex(one["proof"]))
    assert len(TRUST["vrf"]["refused"]) == 17


def test_consistency_vectors_of_others_agree() -> None:
    count = 0
    for _, earlier, size, path, earlier_root, root, is_refused in MERKLE["consistency"]:
        proof = [HASHES[number] for number in path]
        if not 0 < earlier <= size:
            continue
        if is_refused:
            with pytest.raises(RefusedError):
                check_consistent((earlier, HASHES[earlier_root]), (size, HASHES[root]), proof)
        else:
            check_consistent((earlier, HASHES[earlier_root]), (size, HASHES[root]), proof)
        count += 1
    assert count == len(MERKLE["consistency"]) - OUT_OF_RANGE


def test_empty_log_shows_nothing() -> None:
    with pytest.raises(RefusedError, match="another length"):
        check_last(b"", 3, HASHES[0], [])
