"""Clients on bare sockets that answer no ping by themselves, and what they do in several tests."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.frames import Frame, Opcode

from serving.tests.rig import ANSWER_SECONDS
from signaling.cluster.node import Node
from signaling.tests.stage import until
from signaling.tests.wires import Bare, Site, message

OFFER, ANSWER = "v=0 offer", "v=0 answer"
CALL = "the-call-of-this-test"


class Phone(Bare):
    """A client that answers no ping by itself; what it does not read may as well be lost."""

    @classmethod
    async def joins(cls, where: Site, client_id: str) -> "Phone":
        """Connect and register."""
        phone = cls((await where.connect()).socket)
        phone.does("REGISTER", clientId=client_id)
        await phone.hears_all("REGISTERED")
        return phone

    def does(self, message_type: str, **payload: Any) -> None:
        """Send a message."""
        self.says(message(message_type, **payload))

    async def hears_all(self, *types: str) -> list[dict[str, Any]]:
        """Read so many messages, which must be of these types; pings are passed over."""
        came: list[dict[str, Any]] = []
        for expected in types:
            opcode, payload = await self.frame()
            while opcode == Opcode.PING:
                opcode, payload = await self.frame()
            assert opcode == Opcode.TEXT, payload
            came.append(json.loads(payload))
            assert came[-1]["type"] == expected, came
        return came

    async def hears_nothing_more(self) -> None:
        """Ask for a word, which must be the next one."""
        self.does("HEARTBEAT")
        await self.hears_all("HEARTBEAT_ACK")

    async def pinged(self) -> bytes:
        """Read up to the next ping; returns its payload."""
        opcode, payload = await self.frame()
        while opcode != Opcode.PING:
            opcode, payload = await self.frame()
        return payload

    def ponges(self, payload: bytes) -> None:
        """Send a pong."""
        self.sends(Frame(Opcode.PONG, payload).serialize(mask=True))

    async def frame(self) -> tuple[int, bytes]:
        """Read a frame of the server."""
        head = await self._bytes(2)
        length = head[1]
        if length == 126:
            length = int.from_bytes(await self._bytes(2), "big")
        return head[0] & 0x0F, await self._bytes(length)

    async def _bytes(self, count: int) -> bytes:
        data = b""
        async with asyncio.timeout(ANSWER_SECONDS):
            while len(data) < count:
                more = await asyncio.get_running_loop().sock_recv(self.socket, count - len(data))
                assert more, "cut off"
                data += more
        return data

    def dies(self) -> None:
        """Lose the line without a word to the client; the server sees its end."""
        self.socket.close()


async def ring(where: Site) -> tuple[Phone, Phone]:
    """Have Alice call Bob, who has read nothing of it."""
    alice, bob = await Phone.joins(where, "alice"), await Phone.joins(where, "bob")
    alice.does("CALL_INITIATE", targetId="bob", sdpOffer=OFFER, callId=CALL)
    alice.does("ICE_CANDIDATE", callId=CALL, candidate="1")
    await alice.hears_nothing_more()
    return alice, bob


async def proved(here: Node, phone: Phone) -> None:
    """Have a phone that has heard all prove it."""
    await here.relay.proofs.ask(time.monotonic())
    phone.ponges(await phone.pinged())
    await phone.hears_nothing_more()


Leave = Callable[[Site, Phone], Awaitable[None]]


async def superseded(where: Site, phone: Phone) -> None:
    """Leave the line as it is: a newer connection takes its place."""


async def lost(where: Site, phone: Phone) -> None:
    """Lose the line, and wait until the server has seen it."""
    before = len(where.hub.wires)
    phone.dies()
    await until(lambda: len(where.hub.wires) < before and not where.hub.tasks)


async def goes_away(where: Site, phone: Phone) -> None:
    """Close with 1001, unread."""
    phone.sends(Frame(Opcode.CLOSE, (1001).to_bytes(2, "big")).serialize(mask=True))
    await lost(where, phone)
