"""PKD_REGISTER and PKD_LOOKUP: keys, and the statements that say to whom a client ID belongs."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from django.conf import settings
from msgspec import Struct

from pkd import acceptance, directory, identities, keys, statements
from pkd.acceptance import Accepted, Offered, TooManyError
from pkd.claimed import NotTheirsError
from pkd.database import PATIENCE_SECONDS
from pkd.identities import MOST_STATEMENTS
from pkd.models import KeyChange
from pkd.statements import BadStatementError, Signatures
from signaling import answers
from signaling.answers import NOTHING_KNOWN, Known, is_given, read_known
from signaling.connections.connection import Connection
from signaling.protocol import client_messages, server_messages
from signaling.protocol.errors import (
    InvalidMessageError,
    NotRegisteredError,
    RateLimitedError,
    UnavailableError,
)
from signaling.protocol.longest import check_room
from signaling.telemetry.counters import FOUND, MISSING, UNCHANGED, counters
from transparency.stored import StoppedError

SIGNATURES = (
    "A statement needs signatures: an object with identity, and with previous and recovery where they are needed, each "
    "a string."
)
# How long to wait for processes that do not know of owners to end: as long as a deploy lets the old ones drain.
OLD_PROCESS_SECONDS = 10.0


class _Signatures(Struct, gc=False):
    identity: str
    previous: str | None = None
    recovery: str | None = None


def needs_no_registration(message: Any) -> bool:
    """Return whether anybody may send a message: a statement, or a look-up that asks for statements."""
    if not settings.DIRECTORY_NAME:
        return False
    if isinstance(message, client_messages.PkdRegister):
        return is_given(message.statement)
    return isinstance(message, client_messages.PkdLookup) and is_given(message.after)


async def pkd_register(connection: Connection, message: client_messages.PkdRegister) -> None:
    """Publish the client's own key, and reply after the commit (PROTOCOL.md, "Public key directory")."""
    if settings.DIRECTORY_NAME and is_given(message.statement):
        await _accept_statement(connection, message)
        return
    if problem := keys.problem(message.public_key, settings.LIMITS.public_key_bytes):
        raise InvalidMessageError(problem)
    if message.client_id != connection.client_id:
        raise NotRegisteredError("You can publish a key only for the clientId that you are registered under.")
    connection.allowance.consume_register(time.monotonic())
    try:
        kind = await directory.publish(message.client_id, str(message.public_key))
    except directory.KeyFrozenError:
        raise InvalidMessageError("Ask an operator if your key has to change: this key is frozen.") from None
    except directory.KeyRevokedError:
        raise InvalidMessageError("This key was revoked by an operator; publish a new one.") from None
    except directory.KeyOwnedError:
        raise InvalidMessageError("This client ID belongs to a key; publish with a statement that it signs.") from None
    except directory.DirectoryUnavailableError:
        raise UnavailableError from None
    _count(kind)
    connection.reply(server_messages.PkdResult(message.client_id, message.public_key))


async def pkd_lookup(connection: Connection, message: client_messages.PkdLookup) -> None:
    """Look up the key of a client, which may be offline; with `after`, its statements too."""
    is_checked = bool(settings.DIRECTORY_NAME) and is_given(message.after)
    known = read_known(message) if is_checked else NOTHING_KNOWN
    connection.allowance.consume_lookup(time.monotonic())
    if is_checked:
        result = await _result(connection, message.client_id, known)
    else:
        try:
            result = server_messages.PkdResult(message.client_id, await directory.look_up(message.client_id))
        except directory.DirectoryUnavailableError:
            raise UnavailableError from None
    result.check_size()
    counters.key_lookups[MISSING if result.public_key is None else FOUND] += 1
    connection.reply(result)


async def _accept_statement(connection: Connection, message: client_messages.PkdRegister) -> None:
    """Accept a statement; reply once it is committed, and nobody else has the client ID (TRUST.md, "Statements")."""
    known = read_known(message)
    offered = _offered(connection, message)
    connection.allowance.consume_register(time.monotonic())
    wait = await _new_identity_wait(connection, offered)
    save, deadline = await connection.relay.log.save(), time.monotonic() + PATIENCE_SECONDS
    try:
        accepted = await directory.ask(acceptance.accept, offered, wait, deadline, save)
    except BadStatementError as error:
        raise InvalidMessageError(str(error)) from None
    except NotTheirsError as error:
        raise NotRegisteredError(str(error)) from None
    except TooManyError as error:
        raise RateLimitedError(str(error), error.retry_after_seconds) from None
    except directory.DirectoryUnavailableError:
        raise UnavailableError from None
    except StoppedError as error:
        connection.relay.log.stop(error)
    await _settle(connection, message.client_id, accepted, is_registered=offered.is_registered)
    if not accepted.is_repeated:
        _count(accepted.change)
    connection.reply(await _result(connection, message.client_id, known))


async def _settle(connection: Connection, client_id: str, accepted: Accepted, *, is_registered: bool) -> None:
    """Let nobody but the owner have the client ID; the connection that made him the owner stays."""
    if accepted.has_new_owner and is_registered:
        # Also if Redis is away now: who repeats the statement on this connection is known for its sender.
        connection.identity = accepted.token
    if accepted.has_new_owner or accepted.is_repeated:
        is_senders = is_registered and connection.identity == accepted.token
        await connection.relay.owners.own(client_id, accepted.token, connection.owner if is_senders else None)
    else:
        # It may have cancelled a release.
        await connection.relay.owners.tell(client_id, accepted.token)


async def _new_identity_wait(connection: Connection, offered: Offered) -> Callable[[], float]:
    """Return what counts a new identity of the connection's address."""
    if offered.statement.seq == 0 and not await connection.registry.knows_owners():
        return lambda: OLD_PROCESS_SECONDS
    return partial(connection.relay.owners.new_identity_wait, connection.address)


def _offered(connection: Connection, message: client_messages.PkdRegister) -> Offered:
    """Read a statement; raises `InvalidMessageError` for what has not its shape."""
    public_key = message.public_key
    if public_key is not None and (problem := keys.problem(public_key, settings.LIMITS.public_key_bytes)):
        raise InvalidMessageError(problem)
    try:
        signatures = msgspec.convert(message.signatures, _Signatures)
    except msgspec.ValidationError:
        raise InvalidMessageError(SIGNATURES) from None
    try:
        statement = statements.parse(message.statement if isinstance(message.statement, str) else "")
        acceptance.check_shape(message.client_id, statement)
    except BadStatementError as error:
        raise InvalidMessageError(str(error)) from None
    if public_key is not None:
        check_room(message.client_id, public_key, settings.DIRECTORY_NAME, MOST_STATEMENTS)
    is_registered = message.client_id == connection.client_id
    return Offered(public_key, statement, Signatures(*msgspec.structs.astuple(signatures)), is_registered)


async def _result(connection: Connection, client_id: str, known: Known) -> server_messages.PkdResult:
    answer = await connection.relay.log.answer(client_id, *known)
    if answer is not None:
        return answers.proved(client_id, answer)
    try:
        standing = await directory.ask(identities.standing, client_id, known.after)
    except directory.DirectoryUnavailableError:
        raise UnavailableError from None
    return answers.told(client_id, standing)


def _count(kind: KeyChange.Kind | None) -> None:
    name = UNCHANGED if kind is None else kind.value
    counters.key_publications[KeyChange.Kind.CHANGED if kind is KeyChange.Kind.WITHDRAWN else name] += 1
