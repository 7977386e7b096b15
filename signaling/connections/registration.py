"""REGISTER: by signature for a client ID that belongs to a key, as ever for any other (TRUST.md, "REGISTER")."""

import secrets
import time

from django.conf import settings

from pkd import directory, keys, release, statements
from pkd.identities import Owned
from serving.contract import Rest
from signaling.connections.connection import Connection
from signaling.connections.owners import Owners
from signaling.protocol.client_messages import Register
from signaling.protocol.closing import DISCONNECTED_BY_OPERATOR, Hold
from signaling.protocol.errors import NotRegisteredError, RateLimitedError, UnavailableError
from signaling.registry.contract import OwnedError, OwnersLostError
from signaling.registry.owned import UNSIGNED

CHALLENGE_BYTES = 32
# A claim that is refused is looked at anew: the owner may have changed meanwhile, or Redis may have been emptied.
MOST_TRIES = 4
OWNED = (
    "This client ID belongs to a key. Sign the challenge with the key that owns it, and send REGISTER with the "
    "challenge and the signature; without the key, use another clientId."
)
BANNED = "This client ID is banned for a time; wait until that is over, then register again."
ERASED = "This client ID was erased and is closed; use another one."
UNSIGNED_REFUSED = "This server registers client IDs that belong to a key, and this one belongs to none."


def register(connection: Connection, message: Register) -> Rest | None:
    """Register an unregistered connection, once its client has proved what its ID asks for.

    Raises `NotRegisteredError`, with a challenge where a signature is missing or wrong; only after that is a connection
    superseded, and are messages handed over. Raises `UnavailableError` while nobody can say whose the ID is.
    """
    client_id, owners = message.client_id, connection.relay.owners
    if refuse_banned(connection, client_id):
        return None
    challenge, connection.challenge = connection.challenge, ""
    is_nobodys = client_id not in owners.registry.owned and not settings.REQUIRE_IDENTITY
    if is_nobodys and connection.register_at_once(
        client_id, is_known=owners.is_known, lists_none=message.calls is True
    ):
        return None
    return _register_later(connection, message, challenge)


async def _register_later(connection: Connection, message: Register, challenge: str) -> None:
    owners = connection.relay.owners
    is_suspected, is_known = False, owners.is_known
    for _ in range(MOST_TRIES):
        identity = await _identity_of(connection, message, challenge, is_suspected=is_suspected)
        try:
            await connection.register(message.client_id, identity, is_known=is_known, lists_none=message.calls is True)
        except OwnedError:
            is_suspected = True
        except OwnersLostError:
            await owners.catch_up()
            is_known = True
        else:
            # It may have been banned meanwhile.
            refuse_banned(connection, message.client_id)
            return
    raise UnavailableError


def refuse_banned(connection: Connection, client_id: str) -> bool:
    """Reply to a banned client for how long it stays so, and close its connection; return whether it is banned."""
    seconds = connection.relay.bans.client_seconds(client_id, time.time())
    if seconds:
        connection.refuse(RateLimitedError(BANNED, seconds), "REGISTER")
        connection.leave_soon(hold=Hold.FULL, then=DISCONNECTED_BY_OPERATOR)
    return seconds > 0


async def _identity_of(connection: Connection, message: Register, challenge: str, *, is_suspected: bool) -> str:
    """Return the token of the owner that the connection was checked against; `UNSIGNED` for an ID without one."""
    client_id, owners = message.client_id, connection.relay.owners
    if not is_suspected and client_id not in owners.registry.owned:
        owned = None
    else:
        owned = await owners.find(client_id, is_fresh=is_suspected)
        if owned is not None and owned.is_released:
            # The owner may have cancelled it just before it took effect.
            owned = await owners.find(client_id, is_fresh=True)
    if owned is None:
        if settings.REQUIRE_IDENTITY:
            raise NotRegisteredError(UNSIGNED_REFUSED)
        return UNSIGNED
    if owned.is_erased:
        raise NotRegisteredError(ERASED)
    if owned.is_released:
        return owned.token
    if not _is_signed(connection, message, challenge, owned):
        connection.challenge = keys.base64url(secrets.token_bytes(CHALLENGE_BYTES))
        raise NotRegisteredError(OWNED, connection.challenge)
    if owned.takes_effect_at is not None:
        await _cancel_release(owners, owned)
    return owned.token


def _is_signed(connection: Connection, message: Register, challenge: str, owned: Owned) -> bool:
    """Return whether the owner signed the challenge, for the host that the client opened or for this directory."""
    if not challenge or message.challenge != challenge or not isinstance(message.signature, str):
        return False
    return any(
        keys.is_signed_by_identity(
            statements.registration(server, owned.client_id, challenge), message.signature, owned.identity
        )
        for server in (connection.host, settings.DIRECTORY_NAME)
        if server
    )


async def _cancel_release(owners: Owners, owned: Owned) -> None:
    """Cancel a release for the owner, who has just signed."""
    try:
        await directory.ask(release.cancel, owned.client_id)
    except directory.DirectoryUnavailableError:
        raise UnavailableError from None
    await owners.tell(owned.client_id, owned.token)
