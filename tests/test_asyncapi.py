"""docs/asyncapi.yaml says what the server does: message by message, field by field, and over the wire."""

import json
import secrets
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import pytest
import yaml
from django.conf import settings
from jsonschema import Draft7Validator

from pkd.statements import NOTHING, registration
from pkd.tests.owners import DIRECTORY, Identity, Recovery, first, following
from signaling.protocol.client_messages import CLIENT_MESSAGES, ClientMessage
from signaling.protocol.decoding import decode
from signaling.protocol.server_messages import SERVER_MESSAGES, ServerMessage
from tests.conftest import SHARED, Join, Start
from tests.support.people import Person
from tests.support.servers import ROOT, RunningServer, server

DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "docs/asyncapi.yaml").read_text())
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]
ALICE, PHONE, PAPER = Identity("alice 1"), Identity("alice 2"), Recovery("paper")

Message = type[ClientMessage] | type[ServerMessage]
TYPES: dict[Message, str] = dict(
    [*((message, name) for name, message in CLIENT_MESSAGES.items()), *SERVER_MESSAGES.items()]
)
_, IN_CODE = msgspec.json.schema_components(TYPES, ref_template="#/{name}")

# What no field's type says.
BETWEEN_FIELDS = {
    "PkdRegister": {"anyOf": [{"required": ["statement"]}, {"properties": {"publicKey": {"type": "string"}}}]}
}
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
    payload |= BETWEEN_FIELDS.get(message.__name__, {})
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
    example, *_ = (example["payload"] for example in MESSAGES[message.__name__]["examples"])
    for frame in variations(example, {*fields, "somethingElse"}):
        # A connection registers once.
        person = (
            await join("bob", without_owners, registered=False) if message is CLIENT_MESSAGES["REGISTER"] else alice
        )
        assert await is_taken(person, frame) == validator.is_valid(frame), frame


def closed(schema: Any) -> Any:
    """A schema that has no place for what it does not name."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    rules = {name: rule if name == "anyOf" else closed(rule) for name, rule in schema.items()}
    return {"additionalProperties": False} | rules if "properties" in schema else rules


class Documented:
    """A person whose every message, sent and received, must be one of the document's, with no field beside its own."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self.fields: set[str] = set()

    async def asks(self, message_type: str, **payload: Any) -> dict[str, Any]:
        """Send a message, and return what answers it."""
        frame = {"type": message_type, "payload": payload}
        self._check(frame, CLIENT_MESSAGES.values())
        await self._person.send_raw(json.dumps(frame))
        answer = await self._person.next_message()
        self._check(answer, SERVER_MESSAGES)
        told: dict[str, Any] = answer["payload"]
        return told

    def _check(self, frame: dict[str, Any], messages: Iterable[Message]) -> None:
        (name,) = (message.__name__ for message in messages if TYPES[message] == frame["type"])
        schema = closed(resolved(MESSAGES[name]["payload"], DOCUMENT))
        Draft7Validator(schema).validate(frame)
        self.fields |= {f"{name}.{field}" for field in names_of(frame["payload"])}


def names_of(value: Any) -> set[str]:
    """The name of every field, and of the fields in it."""
    if isinstance(value, list):
        return set().union(*(names_of(part) for part in value))
    if not isinstance(value, dict):
        return set()
    return value.keys() | set().union(*(names_of(part) for part in value.values()))


async def test_document_names_all_that_owners_say_and_hear(owning: RunningServer, start: Start, join: Join) -> None:
    said: set[str] = set()
    for where in (owning, start("ours", "memory", 0)):
        alice = Documented(await join("alice", where, registered=False))
        client_id = f"alice-{secrets.token_hex(6)}"
        await alice.asks("REGISTER", clientId=client_id)
        statement = first(ALICE, PAPER.public, client_id)
        signatures = {"identity": ALICE.sign(statement.text)}
        claim = {"clientId": client_id, "publicKey": ALICE.public, "statement": statement.text}
        await alice.asks("PKD_REGISTER", **claim, signatures=signatures, after=-1, size=0)
        moved = following(statement, identity=PHONE.public, key=NOTHING)
        signatures = {"identity": PHONE.sign(moved.text), "recovery": PAPER.sign(moved.text)}
        stranger = Documented(await join("stranger", where, registered=False))
        move = {"clientId": client_id, "publicKey": None, "statement": moved.text, "signatures": signatures}
        assert (await stranger.asks("PKD_REGISTER", **move))["status"] == "signed"
        await stranger.asks("PKD_LOOKUP", clientId=client_id, after=-1, size=0)
        await stranger.asks("PKD_LOOKUP", clientId=f"{client_id}-not", after=-1)
        challenge = (await stranger.asks("REGISTER", clientId=client_id))["challenge"]
        signature = PHONE.sign(registration(DIRECTORY, client_id, challenge))
        await stranger.asks("REGISTER", clientId=client_id, challenge=challenge, signature=signature)
        said |= alice.fields | stranger.fields
    for message in ("Register", "PkdRegister", "PkdLookup", "PkdResult", "Error"):
        fields = names_in_schema(resolved(MESSAGES[message]["payload"], DOCUMENT)["properties"]["payload"])
        missing = {f"{message}.{field}" for field in fields} - said
        assert missing == NEEDS_MORE.get(message, set())


# A client that is in calls; a release that is pending; two devices, of which one moves the ID to the other; a limit.
NEEDS_MORE = {
    "Register": {"Register.calls"},
    "PkdResult": {"PkdResult.releasedAt", "PkdResult.previous"},
    "Error": {"Error.callId", "Error.retryAfterMs"},
}


def names_in_schema(schema: Any) -> set[str]:
    """The name of every field that a schema describes."""
    if isinstance(schema, list):
        return set().union(*(names_in_schema(part) for part in schema))
    if not isinstance(schema, dict):
        return set()
    named: dict[str, Any] = schema.get("properties", {})
    return named.keys() | set().union(*(names_in_schema(part) for part in [*named.values(), *schema.values()]))


async def is_taken(person: Person, frame: dict[str, Any]) -> bool:
    """Return whether the server finds nothing wrong with a message, whether or not it carries it out."""
    await person.send_raw(json.dumps(frame))
    # No message's answer can be taken for the answer to this.
    await person.send("THAT WAS ALL")
    codes = []
    while (answer := (await person.next_message())["payload"]).get("request") != "THAT WAS ALL":
        codes.append(answer.get("code"))
    return "INVALID_MESSAGE" not in codes
