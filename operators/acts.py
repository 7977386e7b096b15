"""The acts of operators on clients and calls: the admin's pages and the API carry them out by these functions alone."""

from contextlib import suppress
from dataclasses import dataclass

from asgiref.sync import async_to_sync

from operators.console.models import Call, Presence
from pkd import identities
from pkd.admin.log import Operator, note
from pkd.decisions import checked_reason
from signaling import operations
from signaling.operations import Disconnected
from signaling.protocol.errors import UnavailableError


@dataclass(frozen=True)
class Permission:
    """What an operator needs for an act: to see the list that it is done in, and to do it."""

    view: str
    act: str

    def is_given_to(self, operator: Operator) -> bool:
        """Return whether the operator has both."""
        return operator.has_perms((self.view, self.act))


TO_DISCONNECT = Permission("console.view_presence", "console.disconnect_client")
TO_END_CALLS = Permission("console.view_call", "console.end_call")


def disconnect(operator: Operator, client_id: str, reason: str) -> Disconnected:
    """Close a client's connection with 4503, in whichever process; log it if there was one.

    Raises `ValueError` without a reason of up to 500 characters.
    """
    reason = checked_reason(reason)
    outcome: Disconnected = async_to_sync(operations.disconnect)(client_id)
    if outcome.was_connected:
        note(operator, Presence(client_id), f"Disconnected: {reason}")
    return outcome


def end_call(operator: Operator, call_id: str, reason: str) -> None:
    """End a call, tell both sides, and log it by its ID alone: who called whom is never written down.

    Raises `CallNotFoundError`, `UnavailableError`, and `ValueError` without a reason of up to 500 characters.
    """
    reason = checked_reason(reason)
    async_to_sync(operations.end_call)(call_id)
    note(operator, Call(call_id), f"Ended: {reason}")


def close_connection(client_id: str) -> None:
    """Close the connection of a client whose ID was released or erased, in whichever process; without Redis, in none.

    First the processes hear of it: the client comes back within a second, and what it signs then cancels a release.
    """
    owned = identities.owned(client_id)
    with suppress(UnavailableError):
        if owned is not None:
            async_to_sync(operations.own)(client_id, owned.token)
        async_to_sync(operations.disconnect)(client_id)
