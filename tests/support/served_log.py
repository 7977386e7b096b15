"""The acts of tests/support/lies on a real server, and a made directory that has the same log to lie with.

`ServedLog` plays the owners. A client looks alice up between `begins` and `goes_on`, and again after it, with
`after: 1` and `size: 3`. Whoever runs the server has its keys: `lie` answers with any of the cheats, from the server's
own answer, and from a log that is signed alike.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pkd.keys import from_base64url
from tests.support import lies
from tests.support.client import Client
from tests.support.lies import Payload, World
from tests.support.lying_proxy import Asked, Lie
from tests.support.made_directory import Accepted, MadeDirectory, base64url
from tests.support.made_log import DIRECTORY, UPDATE_BYTES, VECTORS

PINNED_SIZE = 3
AT = slice(6, 14)


def log_settings(folder: Path) -> Mapping[str, str]:
    """Return the settings of a server whose log has the vectors' keys."""
    return {
        "DIRECTORY_NAME": DIRECTORY,
        "LOG_KEY": base64url(bytes.fromhex(VECTORS["logSeed"])),
        "LOG_VRF_KEY": base64url(bytes.fromhex(VECTORS["vrfSeed"])),
        "LOG_GUARD": str(folder / "guard"),
        "LIMIT_PKD_LOOKUPS_PER_MINUTE": "0",
        "LIMIT_NEW_IDENTITIES_PER_HOUR": "0",
    }


class Act(NamedTuple):
    """A statement, and when the server accepted it."""

    accepted: Accepted
    at: int


class ServedLog:
    """The owners on one server, and what was accepted there."""

    def __init__(self, ws_url: str) -> None:
        self._url = ws_url
        self._scratch = MadeDirectory()
        self._acts: list[Act] = []

    async def begins(self) -> None:
        """Let alice claim her ID, bob his, and alice move by her recovery code."""
        self._scratch = lies.begun()
        await self._send(self._scratch.accepted)

    async def goes_on(self) -> None:
        """Let carol and dave claim theirs, and alice sign another statement between."""
        lies.goes_on(self._scratch)
        await self._send(self._scratch.accepted[PINNED_SIZE:])

    def world(self, served: Mapping[Asked, Payload] | None = None) -> World:
        """Return the world of the cheats, whose log is the server's; `served` are answers of the server itself."""
        answers = {(asked.client_id, asked.after): payload for asked, payload in (served or {}).items()}
        first, then = self._acts[:PINNED_SIZE], self._acts[PINNED_SIZE:]
        return World(replay(then), lambda: made(first), int(time.time()), answers)

    def lie(self, cheat: Callable[[World], Payload]) -> Lie:
        """Return what a proxy says with a cheat."""
        return lambda asked, payload: cheat(self.world({asked: payload}))

    async def _send(self, accepted: Sequence[Accepted]) -> None:
        for one in accepted:
            statement, signatures, public_key = one
            async with Client(self._url) as owner:
                if statement.seq == 0:
                    await owner.send("REGISTER", clientId=statement.client_id)
                    await owner.expects("REGISTERED")
                payload = {"clientId": statement.client_id, "publicKey": public_key, "statement": statement.text}
                await owner.send("PKD_REGISTER", **payload, signatures=signatures)
                answer = await owner.expects("PKD_RESULT", status="signed")
            update = from_base64url(answer["statements"][-1]["update"], UPDATE_BYTES)
            self._acts.append(Act(one, int.from_bytes(update[AT], "big")))


def replay(acts: Sequence[Act]) -> Callable[[MadeDirectory], None]:
    """Return what accepts statements at their times."""

    def accept(directory: MadeDirectory) -> None:
        for (statement, signatures, public_key), at in acts:
            directory.accept(statement, signatures, public_key, at=at)

    return accept


def made(acts: Sequence[Act]) -> MadeDirectory:
    """Return a directory of these acts alone."""
    directory = MadeDirectory()
    replay(acts)(directory)
    return directory


def flipped(data: bytes) -> Lie:
    """Return what a proxy says with these bytes in the place of an answer's payload."""
    head = json.dumps({"type": "PKD_RESULT"})[:-1].encode()
    return lambda _asked, _payload: head + b', "payload": ' + data + b"}"
