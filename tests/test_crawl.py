"""The whole of /log of a thousand client IDs: nothing in it leads back to an ID or a key."""

import hashlib
import hmac
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from pkd import keys
from pkd.tests.owners import DIRECTORY, Identity, Recovery, first, following, signed
from tests.conftest import SHARED
from tests.support.people import Person
from tests.support.servers import ROOT, RunningServer, database_template, environment, server
from transparency.entry import Entry
from transparency.keys import LogKeys
from transparency.notes import Verifier, read
from transparency.vrf import PrivateKey, index_of

MEMBERS = 1000
BY_SOCKET = 3
# As behind a proxy that ends TLS: else the server sends everybody there.
AT_THE_EDGE = {"X-Forwarded-Proto": "https"}
WIDTH = 256
SEED, VRF_SEED = hashlib.sha256(b"log key of the crawl").digest(), hashlib.sha256(b"VRF key of the crawl").digest()
LOG = LogKeys(DIRECTORY, SEED, VRF_SEED)
PAPER = Recovery("paper of the crawl")
# Long enough that nothing is met by accident, and short enough to find what was cut off.
WINDOW = 16

pytestmark = pytest.mark.long


class Crawled(NamedTuple):
    """Everything below /log: what is text, what is bytes, and the entries, which are among the bytes."""

    texts: bytes
    data: bytes
    entries: list[Entry]


class Member(NamedTuple):
    client_id: str
    identity: str


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with a log, and a database of its own."""
    folder = tmp_path_factory.mktemp("crawl")
    database = shutil.copy(database_template(), folder / "db.sqlite3")
    log = {"LOG_KEY": keys.base64url(SEED), "LOG_VRF_KEY": keys.base64url(VRF_SEED), "LOG_GUARD": str(folder / "guard")}
    env = SHARED | log | {"DATABASE_URL": f"sqlite:///{database}"}
    with server(env=env) as started:
        append(environment(Path(database), env), MEMBERS - BY_SOCKET)
        yield started


def append(env: dict[str, str], number: int) -> None:
    """Let so many clients claim their IDs, past the sockets."""
    command = [sys.executable, "-m", "transparency.tests.appending", "member"]
    with subprocess.Popen(
        command, cwd=ROOT, env=env | {"DJANGO_SETTINGS_MODULE": "securecall_site.settings"}, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(number)]
        process.kill()
    assert told[-1] == f"member-{number - 1}\n".encode()


async def claim(where: RunningServer, number: int) -> Member:
    """Claim an ID by the wire, with a recovery code, and publish an opaque key in a second statement."""
    owner, client_id = Identity(f"socket-{number}"), f"socket-{number}"
    claimed = first(owner, PAPER.public, client_id)
    changed = following(claimed, key=keys.digest(f"opaque key of {client_id}"))
    async with Person(where.ws_url, client_id) as person:
        await person.registers()
        for statement, key in ((claimed, owner.public), (changed, f"opaque key of {client_id}")):
            by = {"identity": signed(statement, owner).identity}
            await person.send(
                "PKD_REGISTER", clientId=client_id, publicKey=key, statement=statement.text, signatures=by
            )
            await person.expects("PKD_RESULT", status="signed")
    return Member(client_id, owner.public)


def crawl(where: RunningServer) -> Crawled:
    """Read the checkpoint, the key, and every tile and bundle of entries of a tree."""

    def get(name: str) -> bytes:
        asked = urllib.request.Request(f"{where.http_url}/log/{name}", headers=AT_THE_EDGE)  # noqa: S310 -- our own
        with urllib.request.urlopen(asked) as response:  # noqa: S310 -- likewise
            found: bytes = response.read()
        return found

    checkpoint, key = get("checkpoint"), get("key")
    size = read(checkpoint.decode(), Verifier.parse(key.decode().strip()))[0].size
    bundles, tiles = [], []
    for level in count():
        width = size >> 8 * level
        for number in range(-(-width // WIDTH)):
            part = min(WIDTH, width - number * WIDTH)
            name = f"{number:03}" + ("" if part == WIDTH else f".p/{part}")
            tiles.append(get(f"tile/{level}/{name}"))
            bundles += [get(f"tile/entries/{name}")] if level == 0 else []
        if not width:
            break
    joined = b"".join(bundles)
    entries = [Entry.decode(joined[start + 2 : start + 144]) for start in range(0, len(joined), 144)]
    assert len(entries) == size
    assert sum(map(len, tiles)) == 32 * (size + size // WIDTH)
    return Crawled(checkpoint + key, joined + b"".join(tiles), entries)


def told_by(member: Member) -> list[bytes]:
    """Return the forms of an ID and of its keys."""
    texts = [member.client_id, member.identity, keys.digest(member.identity), f"opaque key of {member.client_id}"]
    info = keys.from_base64url(member.identity, keys.IDENTITY_BYTES)
    # The key as it is sent, its point, x, and y.
    return [*(text.encode() for text in texts), info, info[26:], info[27:59], info[59:], info[27:]]


def traces(value: bytes, public: list[bytes]) -> Iterator[bytes]:
    """Yield what anybody can compute of a value with what the log says of itself."""
    yield value
    for name in ("sha256", "sha512", "sha1", "md5"):
        yield hashlib.new(name, value).digest()
    for constant in public:
        yield hmac.digest(constant, value, "sha256")
        yield hmac.digest(value, constant, "sha256")
        yield hashlib.sha256(constant + value).digest()
        yield hashlib.sha256(value + constant).digest()


def public_constants(crawled: Crawled) -> list[bytes]:
    """Return what is known of a log to everybody, in the forms that a key may have."""
    origin, vkey = LOG.signer.verifier.name, LOG.vkey
    names = [DIRECTORY, origin, vkey, keys.base64url(LOG.vrf.public)]
    return [*(name.encode() for name in names), LOG.vrf.public, LOG.signer.verifier.key, b"", bytes(32), crawled.texts]


def windows(data: bytes) -> set[bytes]:
    return {data[start : start + WINDOW] for start in range(len(data) - WINDOW + 1)}


async def test_nothing_in_the_log_leads_back_to_an_id_or_a_key(running: RunningServer) -> None:
    members = [Member(f"member-{number}", Identity(f"member-{number}").public) for number in range(MEMBERS - BY_SOCKET)]
    members += [await claim(running, number) for number in range(BY_SOCKET)]
    crawled = crawl(running)
    assert len(crawled.entries) >= MEMBERS + BY_SOCKET
    public, met = public_constants(crawled), windows(crawled.data)
    found = [
        (member.client_id, trace.hex())
        for member in members
        for value in told_by(member)
        for trace in traces(value, public)
        if (trace[:WINDOW] in met if len(trace) >= WINDOW else trace in crawled.data)
        or any(form in crawled.texts for form in (trace, trace.hex().encode(), keys.base64url(trace).encode()))
    ]
    assert found == []


async def test_dictionary_of_the_ids_links_none_without_the_private_key(running: RunningServer) -> None:
    crawled = crawl(running)
    indexes = {entry.update.index for entry in crawled.entries}
    ids = [f"member-{number}".encode() for number in range(MEMBERS - BY_SOCKET)]
    # The crawl has met them all: the server's own key finds each.
    assert {index_of(LOG.vrf.prove(client_id)) for client_id in ids} <= indexes
    for seed in public_constants(crawled):
        other = PrivateKey(hashlib.sha256(seed).digest())
        assert indexes.isdisjoint(index_of(other.prove(client_id)) for client_id in ids[:: len(ids) // 100])
