"""What browsers, libraries and tools really write is relayed, held and stored character for character.

`support/samples.json` names the source of each sample; addresses in them are those of documentation.
"""

import json
from typing import Any

import pytest

from tests.conftest import Join
from tests.support.people import Person, Target, drops, new_call_id
from tests.support.servers import ROOT

SAMPLES: dict[str, list[dict[str, Any]]] = json.loads((ROOT / "tests" / "support" / "samples.json").read_text())
DESCRIPTIONS, CANDIDATES, KEYS = (
    [sample["value"] for sample in SAMPLES[kind]] for kind in ("descriptions", "candidates", "keys")
)

pytestmark = pytest.mark.parametrize(
    "target", ["ours-memory", "ours-redis", "ours-redis-two", "uvicorn-memory"], indirect=True
)


async def test_descriptions_are_relayed_unchanged(alice: Person, bob: Person) -> None:
    for description in DESCRIPTIONS:
        call_id = new_call_id()
        await alice.send("CALL_INITIATE", targetId=bob.id, sdpOffer=description, callId=call_id)
        await bob.expects("INCOMING_CALL", callId=call_id, sdpOffer=description)
        await bob.send("CALL_ACCEPT", callId=call_id, sdpAnswer=description)
        await alice.expects("CALL_ACCEPTED", callId=call_id, sdpAnswer=description)
        await alice.send("CALL_END", callId=call_id)
        await bob.expects("CALL_ENDED", callId=call_id)


async def test_candidates_are_relayed_unchanged(alice: Person, bob: Person) -> None:
    call_id = await alice.talks_to(bob)
    for candidate in CANDIDATES:
        await alice.send("ICE_CANDIDATE", callId=call_id, candidate=candidate)
        await bob.expects("ICE_CANDIDATE", callId=call_id, candidate=candidate)


async def test_what_was_not_read_and_what_waits_comes_unchanged(
    join: Join, target: Target, alice: Person, carol: Person
) -> None:
    for descriptions in batched(DESCRIPTIONS, 3):
        bob = await join("bob", target.there)
        ringing = {new_call_id(): description for description in descriptions}
        for call_id, offer in ringing.items():
            await alice.send("CALL_INITIATE", targetId=bob.id, sdpOffer=offer, callId=call_id)
            await bob.expects("INCOMING_CALL", callId=call_id, sdpOffer=offer)
        answered = {await bob.rings(alice): description for description in descriptions}
        await drops(bob, carol, next(iter(ringing)))
        for call_id, answer in answered.items():
            await alice.send("CALL_ACCEPT", callId=call_id, sdpAnswer=answer)
            for candidate in CANDIDATES:
                await alice.send("ICE_CANDIDATE", callId=call_id, candidate=candidate)
        await alice.expects_nothing_else()

        bob = await join("again", target.there, client_id=bob.id)

        for call_id, offer in ringing.items():
            await bob.expects("INCOMING_CALL", callId=call_id, sdpOffer=offer)
        for call_id, answer in answered.items():
            await bob.expects("CALL_ACCEPTED", callId=call_id, sdpAnswer=answer)
            for candidate in CANDIDATES:
                await bob.expects("ICE_CANDIDATE", callId=call_id, candidate=candidate)
        for call_id in (*ringing, *answered):
            await alice.send("CALL_END", callId=call_id)
            await bob.expects("CALL_ENDED", callId=call_id)


async def test_keys_are_stored_unchanged(alice: Person, bob: Person) -> None:
    for key in KEYS:
        await alice.send("PKD_REGISTER", clientId=alice.id, publicKey=key)
        await alice.expects("PKD_RESULT", clientId=alice.id, publicKey=key)
        await bob.send("PKD_LOOKUP", clientId=alice.id)
        await bob.expects("PKD_RESULT", clientId=alice.id, publicKey=key)


def batched(items: list[Any], size: int) -> list[list[Any]]:
    """Divide a list into lists of at most `size`."""
    return [items[at : at + size] for at in range(0, len(items), size)]
