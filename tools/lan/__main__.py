"""`make run-lan`: a server for the phones of one network, with Caddy and a certificate of its own in front of it.

Browsers give pages a microphone by https alone. Caddy's authority, made at the first start, signs for this machine's
address; phones that trust its certificate take the page's. The server itself listens on loopback.
"""

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import segno

from tools.lan.network import Place, PlaceError
from tools.lan.probe import answers, fingerprint

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".lan"
POLL_SECONDS = 0.1
STOP_SECONDS = 20
WHERE_TO_GO = """{picture}
  On each phone in this network:

    1. Open       {http}/   and install the certificate that it offers, once
    2. Then open  {https}/demo/   in Safari or Chrome

  The certificate's SHA-256 fingerprint
    {fingerprint}
  Its key lies in {folder}: whoever has it can pass for any site before a phone that trusts it.

  In one network phones reach each other without a STUN or TURN server. Where a call does not connect, the network
  keeps its clients apart, as guest networks do, or drops multicast, by which browsers find addresses that they hide
  until the page may use the microphone: docs/deployment.md.
"""


def main() -> int:
    """Run the server and Caddy until one of them ends or this process is told to stop; return the status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        place, caddy = Place.of(os.environ), shutil.which("caddy")
        if caddy is None:
            return _complain("make run-lan needs Caddy: https://caddyserver.com/docs/install")
        return _run(caddy, place)
    except PlaceError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return 0


def _run(caddy: str, place: Place) -> int:
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    variables = {**os.environ, **place.variables(_secret_key(), FOLDER)}
    collect = [sys.executable, "manage.py", "collectstatic", "--skip-checks", "--no-input", "--verbosity", "0"]
    subprocess.run(collect, check=True, cwd=ROOT, env=variables)
    server = [sys.executable, "-m", "securecall_site.start", "--bind", "127.0.0.1"]
    proxy = [caddy, "run", "--config", "deploy/lan/Caddyfile", "--adapter", "caddyfile"]
    root = FOLDER / "pki" / "authorities" / "local" / "root.crt"
    with ExitStack() as stack:
        programs = {
            "Caddy": _start(stack, proxy, variables, FOLDER / "caddy.log"),
            "The server": _start(stack, server, variables, None),
        }
        if not _wait(programs, lambda: answers(f"{place.https}/health", root)):
            return _complain(f"{_ended(programs)} has ended. Is a port taken? See above, and {FOLDER}/caddy.log.")
        sys.stdout.write(_where_to_go(place, root))
        sys.stdout.flush()
        _wait(programs, lambda: False)
        return _complain(f"{_ended(programs)} has ended.")


def _where_to_go(place: Place, root: Path) -> str:
    picture = io.StringIO()
    segno.make_qr(f"{place.http}/").terminal(picture, compact=True)
    return WHERE_TO_GO.format(
        picture=picture.getvalue(),
        http=place.http,
        https=place.https,
        fingerprint=fingerprint(root),
        folder=FOLDER,
    )


def _secret_key() -> str:
    """Return the key that the environment says, or else that of `make run`."""
    if key := os.environ.get("SECRET_KEY"):
        return key
    command = [str(ROOT / "scripts" / "development-key")]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def _start(
    stack: ExitStack, command: list[str], variables: Mapping[str, str], log: Path | None
) -> "subprocess.Popen[bytes]":
    """Start a program that ends with the stack; what it prints goes to `log`, or where this process prints."""
    output = stack.enter_context(log.open("wb")) if log else None
    # In a group of its own: Ctrl-C reaches this process alone, which ends both.
    program = subprocess.Popen(
        command, cwd=ROOT, env=dict(variables), stdout=output, stderr=output, stdin=subprocess.DEVNULL, process_group=0
    )
    stack.callback(_stop, program)
    return program


def _stop(program: "subprocess.Popen[bytes]") -> None:
    program.terminate()
    try:
        program.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


def _wait(programs: Mapping[str, "subprocess.Popen[bytes]"], is_there: Callable[[], bool]) -> bool:
    """Return True once `is_there()`, and False once one of the programs has ended."""
    while not _ended(programs):
        if is_there():
            return True
        time.sleep(POLL_SECONDS)
    return False


def _ended(programs: Mapping[str, "subprocess.Popen[bytes]"]) -> str:
    return next((name for name, program in programs.items() if program.poll() is not None), "")


def _complain(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
