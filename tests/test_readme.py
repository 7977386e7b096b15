"""The transcripts of docs/protocol.md, played against a running server: they say what happens."""

import json
import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.conf import settings

from signaling.protocol import closing
from signaling.protocol.client_messages import CLIENT_MESSAGES
from signaling.protocol.errors import ErrorCode
from signaling.protocol.limits import Limits
from signaling.protocol.server_messages import SERVER_MESSAGES
from tests.support.client import Client
from tests.support.servers import ROOT, server

README = (ROOT / "README.md").read_text()
PROTOCOL = (ROOT / "docs/protocol.md").read_text()

TRANSCRIPT = re.compile(r"^```\n(\w+ +[<>] .*?)^```$", re.DOTALL | re.MULTILINE)

# What no page can know, in the form that it shows.
CHANGING: dict[str, Callable[[Any], object]] = {
    "username": lambda text: re.sub(r"^\d{10}:", "<expiry>:", text),
    "credential": lambda text: re.sub(r"^[A-Za-z0-9+/]{27}=$", "<SHA-1>", text),
    "expiresAt": lambda number: number > 1_700_000_000,
    "retryAfterMs": lambda number: 0 < number <= 60_000,
}


class Line(NamedTuple):
    """`alice > {...}` or `alice < {...}`."""

    name: str
    is_sent: bool
    text: str


def transcripts(page: str) -> list[Line]:
    """Every line of every transcript of a page; an indented line continues the one before."""
    lines = [line for block in TRANSCRIPT.findall(page) for line in re.sub(r"\n +", " ", block).splitlines()]
    return [Line(name, sign == ">", text) for name, sign, text in (re.split(" +", line, maxsplit=2) for line in lines)]


def steady(value: Any) -> Any:
    """The value with what changes from run to run replaced."""
    if isinstance(value, dict):
        return {name: CHANGING[name](part) if name in CHANGING else steady(part) for name, part in value.items()}
    if isinstance(value, list):
        return [steady(part) for part in value]
    return value


async def play(lines: list[Line], url: str) -> None:
    """Send what is sent and receive what is received; who says a first word connects."""
    async with AsyncExitStack() as stack:
        people: dict[str, Client] = {}
        for name, is_sent, text in lines:
            if name not in people:
                people[name] = await stack.enter_async_context(Client(url))
            if is_sent:
                if '"REGISTER"' in text:
                    # Whoever it supersedes has read all: nothing comes again.
                    for person in people.values():
                        await person.has_proved()
                await people[name].send_raw(text)
            elif text.startswith("close "):
                _, code, reason = text.split(" ", 2)
                await people.pop(name).expects_close(int(code), reason)
            else:
                expected = json.loads(text)
                payload = await people[name].expects(expected["type"])
                assert steady(payload) == steady(expected["payload"]), f"{name} < {text}"
        for person in people.values():
            # Nothing came that the page does not show.
            await person.send("HEARTBEAT")
            await person.expects("HEARTBEAT_ACK")


PAGES = {
    "docs/protocol.md": (
        PROTOCOL,
        {
            "TURN_SECRET": "a secret between the signaling server and its relay",
            "TURN_URLS": "turn:turn.example.com:443?transport=tcp",
            # The third is refused.
            "LIMIT_PKD_LOOKUPS_PER_MINUTE": "2",
        },
    ),
}


@pytest.mark.parametrize("name", PAGES)
async def test_transcripts_are_what_happens(name: str) -> None:
    page, variables = PAGES[name]
    with server("ours", env=variables) as running:
        await play(transcripts(page), running.ws_url)


@pytest.mark.parametrize("name", PAGES)
def test_transcripts_show_every_message(name: str) -> None:
    page, _ = PAGES[name]
    frames = [(line.is_sent, json.loads(line.text)) for line in transcripts(page) if line.text.startswith("{")]
    assert {frame["type"] for is_sent, frame in frames if is_sent} >= CLIENT_MESSAGES.keys()
    assert {frame["type"] for is_sent, frame in frames if not is_sent} == set(SERVER_MESSAGES.values())


def test_transcripts_of_the_protocol_show_every_error() -> None:
    frames = [json.loads(line.text) for line in transcripts(PROTOCOL) if line.text.startswith("{")]
    assert {frame["payload"]["code"] for frame in frames if frame["type"] == "ERROR"} == set(ErrorCode)


def test_messages_stand_in_transcripts_alone() -> None:
    # Nothing would hold them to the server elsewhere.
    assert re.findall(r'\{"type": ?"\w.*', TRANSCRIPT.sub("", README + PROTOCOL)) == []


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the table below a heading."""
    section = re.split(r"^#+ ", page.split(f"# {heading}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_close_codes_are_those_of_the_code() -> None:
    documented = {
        (int(code), reason) for codes, reason, *_ in rows(PROTOCOL, "Close codes") for code in codes.split(",")
    }
    ours = {(close.code, close.reason) for close in vars(closing).values() if isinstance(close, closing.Close)}
    of_the_server = {(1002, ""), (1007, ""), (1009, ""), (1011, ""), (1012, "service restart")}
    assert documented == (ours - {closing.INTERNAL_ERROR}) | of_the_server


def test_limits_are_those_of_the_code() -> None:
    documented = {
        setting.strip("`"): int(re.findall(r"\d+", default.replace(",", ""))[0])
        for _, default, _, setting in rows(PROTOCOL, "Limits")
        if "LIMIT_" in setting
    }
    of_connections = {f"LIMIT_{field.name.upper()}": field.default for field in fields(Limits)}
    of_owners = {
        "LIMIT_STATEMENTS_PER_DAY": settings.LIMIT_STATEMENTS_PER_DAY,
        "LIMIT_NEW_IDENTITIES_PER_HOUR": settings.LIMIT_NEW_IDENTITIES_PER_HOUR,
    }
    assert documented == of_connections | of_owners


DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def anchors(page: str) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", document.read_text()):
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link
