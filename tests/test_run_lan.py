"""`make run-lan` from a fresh clone, on loopback: two clients call through Caddy, whose root alone they trust."""

import hashlib
import os
import re
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import async_playwright
from websockets.exceptions import InvalidStatus

from tests.support.client import Client
from tests.support.servers import ROOT, START_SECONDS, RunningServer, Unredirected, eventually, run
from tests.support.services import NotInstalledError, executable, skip_or_fail
from tests.support.services.process import connects, free_port
from tools.lan.network import Place, PlaceError
from webclient.tests.browsers import CHROMIUM_OPTIONS, called, check, new_page
from webclient.tests.people import Person

# What git does not have.
NOT_CLONED = shutil.ignore_patterns(".*", "__pycache__", "tests", "docs", "findings", "staticfiles", "*.sqlite3*")
SIGNED = "0123456789abcdefghijklmnopqrstuv"


@dataclass
class Lan:
    """A server that the script started, with what it printed, as phones reach it."""

    process: "subprocess.Popen[bytes]"
    log: Path
    folder: Path
    ports: dict[str, int]
    tls: ssl.SSLContext

    @property
    def origin(self) -> str:
        return f"https://127.0.0.1:{self.ports['LAN_PORT']}"

    def client(self, origin: str | None = None) -> Client:
        return Client(f"wss{self.origin.removeprefix('https')}/signal", ssl=self.tls, origin=origin or self.origin)

    def ask(self, url: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        handlers = (Unredirected(), urllib.request.HTTPSHandler(context=self.tls))
        request = urllib.request.Request(url, body, headers)  # noqa: S310  # a test's own
        try:
            with urllib.request.build_opener(*handlers).open(request, timeout=20) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


def cloned(folder: Path) -> Path:
    """Copy what a clone has, with the environment that `make` would make."""
    shutil.copytree(ROOT, folder, ignore=NOT_CLONED)
    (folder / ".venv").symlink_to((ROOT / ".venv").resolve())
    return folder


@pytest.fixture(scope="module")
def lan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lan]:
    try:
        executable("caddy", "caddy")
    except NotInstalledError as missing:
        skip_or_fail(missing)
    folder = tmp_path_factory.mktemp("lan")
    clone, log = cloned(folder / "clone"), folder / "log"
    ports = {name: free_port() for name in ("LAN_PORT", "LAN_HTTP_PORT", "PORT")}
    variables = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    variables |= {name: str(port) for name, port in ports.items()}
    # Nothing is written into the developer's home and environment.
    variables |= {"HOME": str(folder), "SECRET_KEY": "a key for tests: 7Qv2mX9pLr4Tz8Wc1Nd6Kb3Hs5Jf0aYe"}
    variables |= {"LAN_ADDRESS": "127.0.0.1", "PYTHONUNBUFFERED": "1"}
    with run([str(clone / "scripts" / "run-lan")], log, variables, cwd=folder) as process:

        def is_ready() -> bool | None:
            assert process.poll() is None, log.read_text()
            return "fingerprint" in log.read_text() or None

        eventually(is_ready, log.read_text, START_SECONDS)
        with urllib.request.urlopen(f"http://127.0.0.1:{ports['LAN_HTTP_PORT']}/root.crt", timeout=20) as answer:
            assert answer.headers["Content-Type"] == "application/x-x509-ca-cert"
            root = answer.read().decode()
        yield Lan(process, log, clone, ports, ssl.create_default_context(cadata=root))
        process.terminate()
        assert process.wait(40) == 0, log.read_text()
        assert not any(connects(port) for port in ports.values())


def test_terminal_says_where_to_go(lan: Lan) -> None:
    text, http = lan.log.read_text(), f"http://127.0.0.1:{lan.ports['LAN_HTTP_PORT']}"
    assert f"Open       {http}/ " in text
    assert f"Then open  {lan.origin}/demo/ " in text
    (root,) = lan.tls.get_ca_certs(binary_form=True)
    shown = re.search(r"fingerprint\n +([0-9A-F ]+)\n", text)
    assert shown
    assert bytes.fromhex(shown[1]) == hashlib.sha256(root).digest()
    # A QR code.
    assert "█" in text or "▀" in text


def test_phone_finds_the_certificate_and_the_page_and_no_key(lan: Lan) -> None:
    http = f"http://127.0.0.1:{lan.ports['LAN_HTTP_PORT']}"
    status, page = lan.ask(f"{http}/")
    assert status == 200
    assert re.findall(r'href="([^"]*)"', page) == ["/root.crt", f"{lan.origin}/demo/"]
    for path in ("/root.key", "/intermediate.key", "/pki/authorities/local/root.key", "/index.html", "/demo/"):
        assert lan.ask(http + path)[0] == 404
    (key,) = lan.folder.glob(".lan/**/root.key")
    assert key.stat().st_mode & 0o077 == 0

    status, page = lan.ask(f"{lan.origin}/demo/")
    assert status == 200
    scripts = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert scripts
    for script in scripts:
        assert lan.ask(lan.origin + script)[0] == 200


async def test_two_phones_call_each_other(lan: Lan) -> None:
    async with lan.client() as alice, lan.client() as bob:
        await alice.register("alice")
        await bob.register("bob")
        await alice.send("CALL_INITIATE", targetId="bob", sdpOffer="v=0 offer")
        call_id = (await bob.expects("INCOMING_CALL", callerId="alice", sdpOffer="v=0 offer"))["callId"]
        await bob.send("CALL_ACCEPT", callId=call_id, sdpAnswer="v=0 answer")
        await alice.expects("CALL_ACCEPTED", callId=call_id, sdpAnswer="v=0 answer")
        await alice.send("CALL_END", callId=call_id)
        await bob.expects("CALL_ENDED", callId=call_id)


async def test_pages_of_others_are_refused(lan: Lan) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        await lan.client("https://evil.example").__aenter__()


def test_operators_sign_in_from_the_network(lan: Lan) -> None:
    def sends(origin: str) -> int:
        cookie, form = f"__Host-csrftoken={SIGNED}", f"csrfmiddlewaretoken={SIGNED}".encode()
        return lan.ask(f"{lan.origin}/admin/logout/", form, Cookie=cookie, Origin=origin)[0]

    assert sends(lan.origin) == 302
    assert sends("https://evil.example") == 403


class OverTls(RunningServer):
    """The pages as phones open them."""

    @property
    def http_url(self) -> str:
        return f"https://{self.host}:{self.port}"


def trust(root: Path, home: Path, certutil: str) -> None:
    """Put a certificate among those that Chromium trusts with this home."""
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    for arguments in (["-N", "--empty-password"], ["-A", "-n", "lan", "-t", "C,,", "-i", str(root)]):
        subprocess.run([certutil, "-d", f"sql:{database}", *arguments], check=True)


@pytest.mark.long
async def test_two_browsers_that_trust_the_certificate_see_each_other(lan: Lan, tmp_path: Path) -> None:
    (root,) = lan.folder.glob(".lan/**/root.crt")
    try:
        chromium, certutil = executable("chromium", "chromium"), executable("certutil", "libnss3-tools")
    except NotInstalledError as missing:
        skip_or_fail(missing)
    trust(root, tmp_path, certutil)
    where = OverTls(lan.process, lan.log, tmp_path / "records", lan.ports["LAN_PORT"])
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=CHROMIUM_OPTIONS, env={**os.environ, "HOME": str(tmp_path)}
        )
        alice, bob = [Person(called(name), where, await new_page(browser)) for name in ("alice", "bob")]
        await alice.enters()
        await bob.enters()
        await alice.talks_to(bob)
        await alice.sees_picture()
        await bob.sees_picture()
        # No STUN or TURN server was in it.
        assert set(await alice.candidate_types()) <= {"host", "prflx"}
        await browser.close()
        check([alice, bob])


def test_key_stays_and_is_for_its_user_alone(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    command = shutil.copy(ROOT / "scripts" / "development-key", tmp_path / "scripts")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    first, again = [subprocess.run([command], check=True, capture_output=True, text=True).stdout for _ in range(2)]
    assert first == again
    assert len(first.strip()) > 60
    assert (tmp_path / ".venv" / "development-secret-key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("port", ["0", "65536", "-1", "https", "٨٤٤٣", "8443\n"])
def test_wrong_port_is_told(port: str) -> None:
    with pytest.raises(PlaceError, match=r"^LAN_PORT must be a port, from 1 to 65535, not "):
        Place.of({"LAN_ADDRESS": "127.0.0.1", "LAN_PORT": port})


@pytest.mark.parametrize(
    ("ports", "names"),
    [
        ({"LAN_PORT": "8080"}, "LAN_PORT and LAN_HTTP_PORT"),
        ({"LAN_PORT": "9000", "PORT": "9000"}, "LAN_PORT and PORT"),
        ({"LAN_HTTP_PORT": "08000"}, "LAN_HTTP_PORT and PORT"),
    ],
)
def test_one_port_for_two_is_told(ports: dict[str, str], names: str) -> None:
    with pytest.raises(PlaceError, match=rf"^{names} must be two ports, not both \d+\.$"):
        Place.of({"LAN_ADDRESS": "127.0.0.1", **ports})


def test_wrong_address_is_told(tmp_path: Path) -> None:
    command = [str(ROOT / "scripts" / "run-lan")]
    variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LAN_ADDRESS": "my-laptop.local"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "LAN_ADDRESS must be an IPv4 address of this machine, not 'my-laptop.local'.\n"
