"""Who cosigns the log's checkpoints, and how many of them are enough: the lines of a C2SP tlog-policy.

    witness NAME VKEY URL        a witness, and the URL to which `/add-checkpoint` is added (C2SP tlog-witness)
    group NAME any|all|K NAME…   so many of these witnesses and groups
    quorum NAME|none             what is enough

Pure: no Django, clock or I/O.
"""

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from transparency.notes import COSIGNATURE, BadNoteError, Verifier

NONE = "none"
NAME = re.compile(r"[^\s;#]+")
# What they add to a checkpoint has to fit the longest answer (docs/protocol.md, "The public log").
MOST_LINE_BYTES = 850
SIGNATURE_LINE_BYTES = len("—  \n".encode()) + 104


class BadPolicyError(ValueError):
    """A line of a policy says nothing, or what cannot be."""


class Witness(NamedTuple):
    """Who cosigns, with which key, and where; its `name` is the policy's own."""

    name: str
    verifier: Verifier
    url: str


class Group(NamedTuple):
    """So many of these members."""

    least: int
    members: tuple[str, ...]


class Policy(NamedTuple):
    """The witnesses by their names, the groups of them, and whose cosignatures are enough."""

    witnesses: tuple[Witness, ...]
    groups: Mapping[str, Group]
    quorum: str

    @classmethod
    def parse(cls, lines: Collection[str]) -> "Policy":
        """Read the lines of a policy, of which empty ones and comments say nothing; raises `BadPolicyError`."""
        reading = _Reading()
        for line in lines:
            words = line.partition("#")[0].split()
            if words:
                reading.read(*words)
        return reading.policy()

    def is_met(self, names: Collection[str]) -> bool:
        """Return whether the cosignatures of these witnesses are enough."""
        return self.quorum == NONE or self._has(self.quorum, names)

    def _has(self, name: str, names: Collection[str]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return name in names
        return sum(self._has(member, names) for member in group.members) >= group.least


class _Reading:
    """A policy whose lines are being read: each names what stands above it."""

    def __init__(self) -> None:
        self._witnesses: dict[str, Witness] = {}
        self._groups: dict[str, Group] = {}
        self._quorum = ""

    def read(self, keyword: str, *words: str) -> None:
        readers = {"witness": self._read_witness, "group": self._read_group, "quorum": self._read_quorum}
        reader = readers.get(keyword)
        if reader is None:
            raise BadPolicyError("a line begins with witness, group or quorum")
        reader(*words)

    def policy(self) -> Policy:
        if not self._quorum:
            raise BadPolicyError("one line says what is enough: quorum and a name, or quorum none")
        witnesses = tuple(self._witnesses.values())
        names = [witness.verifier.name for witness in witnesses]
        if sum(SIGNATURE_LINE_BYTES + len(name.encode()) for name in names) > MOST_LINE_BYTES:
            raise BadPolicyError(f"the witnesses' lines take at most {MOST_LINE_BYTES} bytes together: name fewer")
        if len({witness.verifier for witness in witnesses}) != len(witnesses):
            raise BadPolicyError("a key is named once")
        return Policy(witnesses, self._groups, self._quorum)

    def _read_witness(self, *words: str) -> None:
        if len(words) != len(Witness._fields):
            raise BadPolicyError("a witness has a name, a vkey and a URL, with blanks between them")
        name, vkey, url = words
        try:
            verifier = Verifier.parse(vkey, COSIGNATURE)
        except BadNoteError:
            raise BadPolicyError(f"the vkey of witness {name} is NAME+ID+KEY of type 04, as it publishes it") from None
        if not _is_url(url):
            raise BadPolicyError(f"the URL of witness {name} is https://HOST and a path, without ? and #")
        self._witnesses[self._new(name)] = Witness(name, verifier, url.rstrip("/"))

    def _read_group(self, *words: str) -> None:
        if len(words) < len(("NAME", "K", "MEMBER")):
            raise BadPolicyError("a group has a name, any or all or a number, and its members")
        name, number, *members = words
        self._check_known(members)
        numbers = {"any": 1, "all": len(members)}
        least = numbers.get(number) or (int(number) if re.fullmatch("[1-9][0-9]?", number) else 0)
        if not 0 < least <= len(members) or len(set(members)) != len(members):
            raise BadPolicyError(f"group {name} asks for any, all, or 1 to {len(members)} of its members, each once")
        self._groups[self._new(name)] = Group(least, tuple(members))

    def _read_quorum(self, *words: str) -> None:
        if self._quorum or len(words) != 1:
            raise BadPolicyError("there is one quorum, of one name")
        if words[0] != NONE:
            self._check_known(words)
        self._quorum = words[0]

    def _new(self, name: str) -> str:
        if name == NONE or name in self._witnesses or name in self._groups or not NAME.fullmatch(name):
            raise BadPolicyError(f"{name} is the name of something else already")
        return name

    def _check_known(self, names: Collection[str]) -> None:
        for name in names:
            if name not in self._witnesses and name not in self._groups:
                raise BadPolicyError(f"{name} is no witness or group of a line above")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    is_whole = parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0
    return is_whole and not (parts.query or parts.fragment or parts.username or "?" in text or "#" in text)
