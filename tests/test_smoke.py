"""`manage.py smoke` against real servers, and the sentence for everything that can be wrong with one."""

import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from http import HTTPStatus
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import trustme
from django.core.management import CommandError, call_command
from websockets.sync.server import ServerConnection

from tests.conftest import Start
from tests.support.front import front
from tests.support.impostor import Speak, healthy, impostor
from tests.support.servers import ROOT, RunningServer, server
from tests.support.services import Coturn


def smoke(url: str, *options: str) -> tuple[int, str]:
    """Status and output of the command."""
    output = StringIO()
    try:
        call_command("smoke", "--url", url, *options, stdout=output)
    except SystemExit as exited:
        return int(exited.code or 0), output.getvalue()
    return 0, output.getvalue()


def complaint(url: str, *options: str) -> str:
    """The sentence with which the command fails."""
    status, output = smoke(url, "--json", *options)
    assert status == 1, output
    failed = [step for step in json.loads(output)["steps"] if step["outcome"] == "FAILED"]
    assert len(failed) == 1, failed
    sentence: str = failed[0]["sentence"]
    return sentence


def silent(connection: ServerConnection) -> None:
    for _ in connection:
        pass


@pytest.fixture(scope="module")
def with_relay(coturn_server: Coturn) -> Iterator[RunningServer]:
    """A server that hands out what a real relay takes."""
    urls = f"{coturn_server.url('udp')},{coturn_server.url('tcp')}"
    with server(env={"TURN_SECRET": coturn_server.secrets[1], "TURN_URLS": urls}) as running:
        yield running


@pytest.fixture(scope="module")
def with_wrong_secret(coturn_server: Coturn) -> Iterator[RunningServer]:
    """A server whose relay has another secret."""
    with server(env={"TURN_SECRET": "another secret", "TURN_URLS": coturn_server.url("udp")}) as running:
        yield running


def test_smoke_needs_nothing_but_the_url_of_a_good_server(with_relay: RunningServer) -> None:
    command = [sys.executable, "manage.py", "smoke", "--url", with_relay.ws_url, "--require-turn"]

    finished = subprocess.run(
        command, cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )

    lines = finished.stdout.splitlines()
    assert (finished.returncode, finished.stderr) == (0, ""), finished
    assert [line.split()[0] for line in lines[:-2]] == ["ok"] * 20
    assert all(line.endswith(" ms") for line in lines[:-2])
    assert lines[-3].startswith("ok       allocate on turn:127.0.0.1:")
    assert lines[-1].startswith(f"{with_relay.ws_url} works: 20 steps in ")
    assert "\x1b" not in finished.stdout


def test_smoke_reaches_two_processes(start: Start) -> None:
    first, second = (start("ours", "redis", number) for number in (0, 1))

    with front(first.port, second.port) as port:
        _, output = smoke(f"ws://127.0.0.1:{port}/signal", "--json", "--timeout", "3")

    steps = json.loads(output)["steps"]
    # The relays of these servers' settings are made up.
    assert {step["outcome"] for step in steps if not step["title"].startswith("allocate")} == {"ok"}


def test_smoke_takes_a_url_with_a_slash_at_its_end(strict_server: RunningServer) -> None:
    status, output = smoke(f"{strict_server.ws_url}/")
    assert (status, "FAILED" in output) == (0, False), output


def test_smoke_names_what_the_relay_refuses(with_wrong_secret: RunningServer) -> None:
    status, output = smoke(with_wrong_secret.ws_url)

    assert status == 1
    assert "FAILED   allocate on turn:" in output
    assert "refuses the credential (401): make TURN_SECRET the same as the TURN server's secret" in output
    assert output.endswith("does not work as it should: see FAILED.\n")


def test_smoke_without_a_relay_warns_unless_one_is_required(strict_server: RunningServer) -> None:
    status, output = smoke(strict_server.ws_url)
    assert status == 0
    assert "warning  TURN\n         The server hands out no TURN server: set TURN_SECRET" in output

    assert "hands out no TURN server" in complaint(strict_server.ws_url, "--require-turn")


def test_smoke_leaves_no_key_behind_if_asked(strict_server: RunningServer) -> None:
    _, output = smoke(strict_server.ws_url, "--skip-directory")

    assert "public key" not in output


def test_smoke_sends_the_origin_that_it_is_given(start: Start) -> None:
    url = start("ours", "memory", 0).ws_url

    _, output = smoke(url, "--origin", "https://app.example.com")
    assert "ok       connect the callee" in output
    assert "ALLOWED_ORIGINS lacks https://other.example.com" in complaint(url, "--origin", "https://other.example.com")


def test_smoke_says_that_nothing_listens() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{bound.getsockname()[1]}"

        assert complaint(f"ws://{place}/signal") == (
            f"Nothing listens on {place}: start the server, or correct host and port."
        )


def test_smoke_says_that_there_is_no_such_name() -> None:
    assert complaint("wss://signal.invalid/signal").startswith("The name signal.invalid cannot be found")


def test_smoke_says_that_the_path_is_another(strict_server: RunningServer) -> None:
    sentence = "there is no signaling at the path /elsewhere; the server's is /signal."

    assert sentence in complaint(f"ws://127.0.0.1:{strict_server.port}/elsewhere")


def test_smoke_over_tls_checks_the_certificate(
    strict_server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))

    with front(strict_server.port, tls=tls) as port:
        assert "certificate of 127.0.0.1" in complaint(f"wss://127.0.0.1:{port}/signal")
        assert "use wss:// if TLS is served there" in complaint(f"ws://127.0.0.1:{port}/signal")

        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
        assert smoke(f"wss://127.0.0.1:{port}/signal")[0] == 0


def test_smoke_says_that_tls_is_not_served(strict_server: RunningServer) -> None:
    sentence = complaint(f"wss://127.0.0.1:{strict_server.port}/signal")

    assert f"127.0.0.1:{strict_server.port} does not speak TLS: use ws://" in sentence


def test_smoke_asks_whether_tls_is_served_where_nothing_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sentence = complaint(f"wss://127.0.0.1:{silent.getsockname()[1]}/signal", "--timeout", "0.5")

    assert "did not answer within 0.5 s" in sentence
    assert "Or is TLS not served there? Then use ws://." in sentence


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (HTTPStatus.NOT_FOUND, "", "/health answered HTTP 404"),
        (HTTPStatus.OK, "<h1>Welcome to nginx!</h1>", 'did not answer {"status":"ok"}: is this a SecureCall server?'),
    ],
)
def test_smoke_says_that_the_health_check_is_another(status: HTTPStatus, body: str, says: str) -> None:
    with impostor(silent, lambda _: (status, body)) as url:
        assert says in complaint(url)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (HTTPStatus.NOT_FOUND, "HTTP 404: there is no signaling at the path /signal"),
        (HTTPStatus.BAD_GATEWAY, "HTTP 502: the proxy is there, but the server behind it is not."),
        (HTTPStatus.OK, "HTTP 200: what answers there is a web page"),
        (HTTPStatus.GONE, "HTTP 410: check host, port and path"),
    ],
)
def test_smoke_says_why_a_handshake_was_refused(status: HTTPStatus, says: str) -> None:
    with impostor(silent, lambda path: healthy(path) or (status, "")) as url:
        assert says in complaint(url)


def answers(text: str) -> Speak:
    def speak(connection: ServerConnection) -> None:
        for _ in connection:
            connection.send(text)

    return speak


def closes(code: int) -> Speak:
    def speak(connection: ServerConnection) -> None:
        connection.recv()
        connection.close(code, "because")

    return speak


def drops(connection: ServerConnection) -> None:
    connection.recv()
    connection.socket.shutdown(socket.SHUT_RDWR)


def message(message_type: str, **payload: Any) -> str:
    return json.dumps({"type": message_type, "payload": payload})


@pytest.mark.parametrize(
    ("speak", "says"),
    [
        (answers("hello"), "no message of the protocol: is this a SecureCall server?"),
        (answers('["a list"]'), "no message of the protocol"),
        (answers(message("WELCOME")), "Instead of ERROR came a message of type 'WELCOME'."),
        (answers(message("ERROR")), "ERROR came without code."),
        (answers(message("ERROR", code="NO_SUCH_CODE")), "The code of ERROR is not what was to come"),
        (silent, "No ERROR came within 0.3 s."),
        (closes(1012), 'closed with 1012 because the server stops or deploys: try again ("because").'),
        (closes(4503), "closed with 4503 because an operator disconnected the client"),
        (drops, "closed with 1006 without a close frame"),
    ],
)
def test_smoke_says_how_a_server_breaks_the_protocol(speak: Speak, says: str) -> None:
    # Only who says nothing is waited for.
    with impostor(speak) as url:
        assert says in complaint(url, "--timeout", "0.3" if speak is silent else "10")


def test_smoke_shows_the_error_that_came_instead() -> None:
    def speak(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(message("ERROR", code="NOT_REGISTERED", message="Register."))
        connection.recv()
        connection.send(message("ERROR", code="RATE_LIMITED", message="Wait a moment."))

    with impostor(speak) as url:
        assert complaint(url) == "Instead of REGISTERED came ERROR RATE_LIMITED: Wait a moment."


@pytest.mark.parametrize("url", ["https://host/signal", "wss:///signal", "host", "ws://host:port/"])
def test_smoke_refuses_another_url(url: str) -> None:
    with pytest.raises(CommandError, match="starts with ws:// or wss://"):
        smoke(url)


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "inf", "nan"])
def test_smoke_refuses_a_timeout_that_is_none(seconds: str) -> None:
    with pytest.raises(CommandError, match="number above 0"):
        smoke("ws://127.0.0.1/signal", "--timeout", seconds)
