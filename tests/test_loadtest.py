"""`manage.py loadtest` against real servers, and against one that relays badly."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from threading import Lock
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from websockets.sync.server import ServerConnection

from tests.conftest import Start
from tests.support.impostor import impostor
from tests.support.servers import ROOT, RunningServer

# What arrives of a message's payload: nothing, or one or several payloads.
Relay = Callable[[str, dict[str, Any]], list[dict[str, Any]]]
ARRIVES_AS = {"CALL_INITIATE": "INCOMING_CALL", "CALL_ACCEPT": "CALL_ACCEPTED", "CALL_END": "CALL_ENDED"}
MESSAGES_PER_CALL = 19


def loadtest(url: str, *options: str) -> tuple[int, str]:
    """Status and output of the command."""
    output = StringIO()
    try:
        call_command("loadtest", "--url", url, *options, stdout=output)
    except SystemExit as exited:
        return int(exited.code or 0), output.getvalue()
    return 0, output.getvalue()


def figures(url: str, *options: str) -> dict[str, Any]:
    """The command's JSON."""
    status, output = loadtest(url, "--json", *options)
    report: dict[str, Any] = json.loads(output)
    assert report["ok"] is (status == 0)
    return report


@contextmanager
def bad_relay(relay: Relay) -> Iterator[str]:
    """A server for two clients, each the other's peer, that puts every message through `relay`; yields its URL."""
    clients: list[tuple[str, ServerConnection]] = []
    lock = Lock()

    def speak(connection: ServerConnection) -> None:
        client_id = json.loads(connection.recv())["payload"]["clientId"]
        with lock:
            clients.append((client_id, connection))
        send(connection, "REGISTERED", {"clientId": client_id, "iceServers": []})
        for frame in connection:
            message = json.loads(frame)
            peer = next(other for _, other in clients if other is not connection)
            payload = message["payload"] | {"callerId": client_id}
            with lock:
                for arrival in relay(message["type"], payload):
                    send(peer, ARRIVES_AS.get(message["type"], message["type"]), arrival)

    def send(connection: ServerConnection, message_type: str, payload: dict[str, Any]) -> None:
        connection.send(json.dumps({"type": message_type, "payload": payload}))

    with impostor(speak) as url:
        yield url


def number_of(payload: dict[str, Any]) -> str:
    """A candidate's number in its call."""
    return str(payload["candidate"]).removeprefix("candidate:")[0]


ONE_CALL = ("--clients", "2", "--calls-per-second", "1", "--minutes", "0.01", "--timeout", "0.5")


def test_loadtest_counts_every_message_of_every_call(start: Start) -> None:
    url = start("ours", "memory", 0).ws_url

    report = figures(url, "--clients", "40", "--calls-per-second", "10", "--minutes", "0.05")

    assert report["ok"]
    assert report["clients"]["connected"] == 40
    assert report["calls"]["started"] == report["calls"]["finished"] == 30
    sent = 30 * MESSAGES_PER_CALL
    assert report["messages"] == {"sent": sent, "delivered": sent, "lost": 0, "altered": 0, "outOfOrder": 0}
    assert 0 < report["hopMs"]["p50"] <= report["hopMs"]["p99"] <= report["hopMs"]["max"]
    assert report["errors"] == report["closes"] == report["clients"]["notConnected"] == {}
    assert 0 < report["client"]["cpuShare"] < 1
    assert report["client"]["lateMs"]["p50"] > 0


def test_loadtest_says_which_limit_kept_clients_out(strict_server: RunningServer) -> None:
    status, output = loadtest(strict_server.ws_url, "--clients", "60", "--calls-per-second", "10", "--minutes", "0.01")

    assert status == 1
    assert "clients connected      30 of 60" in output
    assert "for the test set LIMIT_CONNECTIONS_PER_IP and LIMIT_NEW_CONNECTIONS_PER_IP_PER_MINUTE to 0" in output
    assert "4429" in next(line for line in output.splitlines() if line.startswith("closes by code"))
    assert "RATE_LIMITED" in next(line for line in output.splitlines() if line.startswith("errors by code"))


def test_loadtest_says_which_limit_kept_messages_out(strict_server: RunningServer) -> None:
    status, output = loadtest(
        strict_server.ws_url, "--clients", "2", "--calls-per-second", "20", "--minutes", "0.04", "--timeout", "3"
    )

    assert status == 1
    assert "raise LIMIT_MESSAGE_BURST and LIMIT_MESSAGES_PER_SECOND on the server" in output
    assert "lost                   0" in output


def test_loadtest_finds_what_is_lost() -> None:
    def lose(message_type: str, payload: dict[str, Any]) -> list[dict[str, Any]]:
        return [] if message_type == "ICE_CANDIDATE" and number_of(payload) == "3" else [payload]

    with bad_relay(lose) as url:
        report = figures(url, *ONE_CALL)

    assert not report["ok"]
    assert report["messages"]["lost"] == 2
    assert (report["calls"]["started"], report["calls"]["finished"]) == (1, 0)


def test_loadtest_finds_what_is_altered() -> None:
    def alter(message_type: str, payload: dict[str, Any]) -> list[dict[str, Any]]:
        altered = message_type == "CALL_ACCEPT"
        return [payload | {"sdpAnswer": payload["sdpAnswer"].strip()} if altered else payload]

    with bad_relay(alter) as url:
        report = figures(url, *ONE_CALL)

    assert not report["ok"]
    assert report["messages"]["altered"] == 1
    assert report["messages"]["lost"] == 0


def test_loadtest_finds_what_is_out_of_order() -> None:
    # By who sent it: both send at the same time.
    kept: dict[str, dict[str, Any]] = {}

    def swap(message_type: str, payload: dict[str, Any]) -> list[dict[str, Any]]:
        sender = payload["callerId"]
        if message_type == "ICE_CANDIDATE" and number_of(payload) == "3":
            kept[sender] = payload
            return []
        return [payload, kept.pop(sender)] if sender in kept else [payload]

    with bad_relay(swap) as url:
        report = figures(url, *ONE_CALL)

    assert not report["ok"]
    assert report["messages"]["outOfOrder"] == 2
    assert report["messages"]["lost"] == 0


def test_loadtest_gives_up_where_nobody_can_connect() -> None:
    report = figures("ws://127.0.0.1:1/signal", "--clients", "1000")

    assert report["clients"]["connected"] == 0
    (sentence,) = report["clients"]["notConnected"]
    assert sentence == "Nothing listens on 127.0.0.1:1: start the server, or correct host and port."
    assert report["clients"]["notConnected"][sentence] < 200


def test_loadtest_shows_its_progress_and_ends_at_once_when_interrupted(start: Start) -> None:
    command = [sys.executable, "manage.py", "loadtest", "--url", start("ours", "memory", 0).ws_url]
    load = ["--clients", "10", "--calls-per-second", "5", "--minutes", "10"]
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        [*command, *load], cwd=ROOT, env={"PATH": os.environ["PATH"]}, stdout=subprocess.PIPE, stderr=theirs, text=True
    )
    os.close(theirs)
    try:
        shown = ""
        while not re.search(r"calls [1-9][0-9]* of ", shown):
            shown += os.read(terminal, 1024).decode()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
        os.close(terminal)

    assert "\r\x1b[K[..............................]   0%  connected" in shown
    assert "clients connected      10 of 10" in output
    assert "Interrupted: these are the figures so far." in output
    assert process.returncode == 0, output


def test_loadtest_asks_for_fewer_clients_than_files() -> None:
    command = f"ulimit -n 128; exec {sys.executable} manage.py loadtest --url ws://127.0.0.1:1/signal --clients 200"

    finished = subprocess.run(
        ["sh", "-c", command], cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )

    assert finished.returncode == 1
    assert "A process may have 96 connections here: ask for fewer --clients, or raise ulimit -n." in finished.stderr


def test_loadtest_refuses_fewer_than_one_client() -> None:
    with pytest.raises(CommandError, match="whole number above 0"):
        loadtest("ws://127.0.0.1/signal", "--clients", "0")
