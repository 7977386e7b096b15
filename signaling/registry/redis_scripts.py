"""The Lua scripts of the registry in Redis: how they are read, loaded and run.

Each file of `scripts/` is one script, and one atomic step; `prelude.lua` comes before each, and describes the keys.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from signaling.delivery.events import FORMAT, KNOWN_FORMAT
from signaling.delivery.redis_link import RedisLink
from signaling.delivery.redis_protocol import Word
from signaling.delivery.redis_refusals import RefusedError

logger = logging.getLogger(__name__)

_FOLDER = Path(__file__).parent / "scripts"
_PRELUDE = f"local FORMAT, KNOWN_FORMAT = '{FORMAT}', '{KNOWN_FORMAT}'\n" + (_FOLDER / "prelude.lua").read_text()


class Script:
    """A script's text, and the digest under which Redis keeps it."""

    def __init__(self, name: str) -> None:
        self.text = f"{_PRELUDE}\n{(_FOLDER / f'{name}.lua').read_text()}"
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


SCRIPTS = {path.stem: Script(path.stem) for path in _FOLDER.glob("*.lua") if path.stem != "prelude"}


class Scripts:
    """Runs scripts over a link, on the keys that begin with `prefix`; `clock` is in seconds."""

    def __init__(self, link: RedisLink, prefix: str, clock: Callable[[], float]) -> None:
        self._link = link
        self._prefix = prefix
        self._clock = clock
        # The error with which Redis refused its records' format, if it was not ours.
        self._strange_format = ""

    async def load(self) -> None:
        """Load every script into Redis."""
        await asyncio.gather(*(self._link.call("SCRIPT", "LOAD", script.text) for script in SCRIPTS.values()))

    async def run(self, name: str, *arguments: Word) -> Any:
        """Run a script, and return its reply; raises `UnavailableError` for every error that Redis replies."""
        script = SCRIPTS[name]
        rest = (0, self._prefix, round(self._clock() * 1000), *arguments)
        try:
            try:
                return await self._link.call("EVALSHA", script.sha, *rest)
            except RefusedError as error:
                if error.kind != "NOSCRIPT":
                    raise
            return await self._link.call("EVAL", script.text, *rest)
        except RefusedError as error:
            self._log_format(str(error))
            raise

    def _log_format(self, error: str) -> None:
        if not error.startswith("FORMAT") or error == self._strange_format:
            return
        self._strange_format = error
        logger.error(
            "Redis holds records of %s, and this version knows format %d alone, so clients are told to try again: run "
            'the version that wrote them (docs/scaling.md, "Two versions on one Redis")',
            error.lower(),
            FORMAT,
        )
