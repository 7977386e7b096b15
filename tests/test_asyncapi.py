"""docs/asyncapi.yaml says what the server does: message by message, field by field, and over the wire."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import yaml
from django.conf import settings
from jsonschema import Draft7Validator

from signaling.protocol.client_messages import CLIENT_MESSAGES, ClientMessage
from signaling.protocol.decoding import decode
from signaling.protocol.server_messages import SERVER_MESSAGES, ServerMessage
from tests.conftest import SHARED, Join
from tests.support.people import Person
from tests.support.servers import ROOT, RunningServer, server

DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "docs/asyncapi.yaml").read_text())
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]

Message = type[ClientMessage] | type[ServerMessage]
TYPES: dict[Message, str] = dict(
    [*((message, name) for name, message in CLIENT_MESSAGES.items()), *SERVER_MESSAGES.items()]
)
_, IN_CODE = msgspec.json.schema_components(TYPES, ref_template="#/{name}")

# What is there for people.
WORDS = {"title", "description", "examples"}


def resolved(schema: Any, root: Any) -> Any:
    """A schema in one piece, and nothing in it but rules."""
    if isinstance(schema, list):
        return [resolved(part, root) for part in schema]
    if isinstance(schema, str):
        # The same end of the text, in Python's words and in ECMA's.
        return schema.replace(r"\Z", "$")
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        found = root
        for name in schema["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        return resolved(found, root)
    # msgspec says that nothing is required; a person says nothing.
    rules = {name: resolved(rule, root) for name, rule in schema.items() if name not in WORDS and rule not in ([], {})}
    return rules | {name: sorted(rules[name]) for name in ("required", "enum") if name in rules}


def names_in(references: list[dict[str, str]]) -> set[str]:
    return {reference["$ref"].removeprefix("#/channels/signal/messages/") for reference in references}


def test_document_has_the_messages_of_the_code() -> None:
    assert MESSAGES.keys() == {message.__name__ for message in TYPES}
    assert DOCUMENT["info"]["version"] == settings.VERSION


@pytest.mark.parametrize("message", TYPES, ids=lambda message: message.__name__)
def test_document_has_the_fields_of_the_code(message: Message) -> None:
    documented = MESSAGES[message.__name__]
    frame = resolved(documented["payload"], DOCUMENT)
    payload = resolved(IN_CODE[message.__name__], IN_CODE)
    # A client may leave out a payload that needs nothing, or say null.
    is_optional = issubclass(message, ClientMessage) and "required" not in payload
    assert documented["name"] == TYPES[message]
    if is_optional:
        payload["type"] = ["object", "null"]
    assert frame == {
        "type": "object",
        "required": ["type"] if is_optional else ["payload", "type"],
        "properties": {"type": {"const": TYPES[message]}, "payload": payload},
    }


def test_document_sends_and_receives_what_the_code_does() -> None:
    received: set[str] = set()
    sent: set[str] = set()
    for operation in DOCUMENT["operations"].values():
        names = names_in(operation["messages"])
        (received if operation["action"] == "receive" else sent).update(names)
        sent |= names_in(operation.get("reply", {}).get("messages", []))
    assert received == {message.__name__ for message in CLIENT_MESSAGES.values()}
    assert sent == {message.__name__ for message in SERVER_MESSAGES}
    assert DOCUMENT["channels"]["signal"]["messages"] == {
        name: {"$ref": f"#/components/messages/{name}"} for name in received | sent
    }


@pytest.mark.parametrize("message", TYPES, ids=lambda message: message.__name__)
def test_document_has_examples_that_are_messages(message: Message) -> None:
    examples = MESSAGES[message.__name__]["examples"]
    assert examples
    for example in examples:
        frame = json.dumps(example["payload"])
        if issubclass(message, ClientMessage):
            assert isinstance(decode(frame), message)
        else:
            assert example["payload"]["type"] == TYPES[message]
            msgspec.json.decode(json.dumps(example["payload"]["payload"]), type=message, strict=True)


VALUES: list[Any] = [
    *("", "a", "bob\n", "a b", "ü", "a" * 16, "a" * 64, "a" * 65, "a" * 16_384, "a" * 16_385, "key\x00"),
    *("key\x7f", "-----BEGIN\r\n", "\n"),
    *(None, 0, True, 1.5, [], ["a"], {}, {"candidate": ""}),
]
ABSENT = object()


def variations(example: dict[str, Any], fields: set[str]) -> Iterator[dict[str, Any]]:
    """The message with one field after the other in every form, right and wrong."""
    yield example
    yield {"type": example["type"]}
    yield from (example | {"payload": value} for value in VALUES)
    for field in fields:
        for value in [*VALUES, ABSENT]:
            payload = example.get("payload", {}) | {field: value}
            yield example | {"payload": {name: value for name, value in payload.items() if value is not ABSENT}}


@pytest.fixture(scope="module")
def without_owners() -> Iterator[RunningServer]:
    """A server that ignores what is said of owners, as the document lets it be anything."""
    with server(env=SHARED | {"DIRECTORY_NAME": ""}) as running:
        yield running


@pytest.mark.parametrize("message", CLIENT_MESSAGES.values(), ids=CLIENT_MESSAGES)
async def test_document_allows_what_the_server_takes(
    join: Join, without_owners: RunningServer, message: type[ClientMessage]
) -> None:
    alice = await join("alice", without_owners)
    schema = resolved(MESSAGES[message.__name__]["payload"], DOCUMENT)
    fields = schema["properties"]["payload"].get("properties", {}).keys()
    # Python's `$` would let a line end follow.
    validator = Draft7Validator(json.loads(json.dumps(schema).replace('$"', r'\\Z"')))
    (example,) = (example["payload"] for example in MESSAGES[message.__name__]["examples"])
    for frame in variations(example, {*fields, "somethingElse"}):
        # A connection registers once.
        person = (
            await join("bob", without_owners, registered=False) if message is CLIENT_MESSAGES["REGISTER"] else alice
        )
        assert await is_taken(person, frame) == validator.is_valid(frame), frame


async def is_taken(person: Person, frame: dict[str, Any]) -> bool:
    """Return whether the server finds nothing wrong with a message, whether or not it carries it out."""
    await person.send_raw(json.dumps(frame))
    # No message's answer can be taken for the answer to this.
    await person.send("THAT WAS ALL")
    codes = []
    while (answer := (await person.next_message())["payload"]).get("request") != "THAT WAS ALL":
        codes.append(answer.get("code"))
    return "INVALID_MESSAGE" not in codes
