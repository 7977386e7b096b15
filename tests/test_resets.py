"""A client whose connection is reset while the server writes to it and to others."""

import signal
import socket
import struct

import pytest

from tests.conftest import Join
from tests.support.people import Person, Target

ON_EVERY_WAY = pytest.mark.parametrize(
    "target", ["ours-memory", "ours-redis-two", "uvicorn-memory", "uvicorn-redis-two"], indirect=True
)
TIMES = 3
WORDS = ("one", "two")


def reset(client: Person) -> None:
    """Send a TCP reset."""
    transport = client.connection.transport
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


@ON_EVERY_WAY
async def test_reset_of_one_disturbs_nobody_else(join: Join, target: Target) -> None:
    dave = await join("dave", target.there)
    for _ in range(TIMES):
        alice, bob, carol = [await join(name, target.here) for name in ("alice", "bob", "carol")]
        calls = {person: await dave.talks_to(person) for person in (alice, bob, carol)}
        # The server finds the reset and the messages in one look at its sockets.
        target.here.signal(signal.SIGSTOP)
        try:
            reset(bob)
            for word in WORDS:
                for call_id in calls.values():
                    await dave.send("ICE_CANDIDATE", callId=call_id, candidate=word)
            if target.there is not target.here:
                await dave.expects_nothing_else()
        finally:
            target.here.signal(signal.SIGCONT)
        for person in (alice, carol):
            for word in WORDS:
                await person.expects("ICE_CANDIDATE", callId=calls[person], candidate=word)
            await dave.reaches(person, calls[person])
            await person.reaches(dave, calls[person])
        # The call of the one that was reset is held.
        again = await join("bob", target.here, client_id=bob.id)
        await again.send("CALL_END", callId=calls[bob])
        await dave.expects("CALL_ENDED", callId=calls[bob])
        for person in (alice, carol):
            await person.send("CALL_END", callId=calls[person])
            await dave.expects("CALL_ENDED", callId=calls[person])
