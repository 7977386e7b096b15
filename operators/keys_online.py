"""Add a column to the directory's admin: whether each key's client is connected now.

The directory knows nothing of connections. Its page is registered here in its place, with what the registry says.
"""

from collections.abc import Iterable
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import admin
from django.http import HttpRequest

from operators import acts
from pkd.admin import PublicKeyAdmin
from pkd.admin.long_list import KeyChangeList
from pkd.models import PublicKey
from signaling import operations
from signaling.protocol.errors import UnavailableError


def mark_online(keys: Iterable[PublicKey]) -> None:
    """Set `is_online` of each key, in one step; it stays None, unknown, while Redis is away."""
    by_client_id = {key.client_id: key for key in keys}
    if not by_client_id:
        return
    try:
        online = async_to_sync(operations.who_is_online)(by_client_id.keys())
    except UnavailableError:
        return
    for client_id, key in by_client_id.items():
        key.is_online = client_id in online


class KeyList(KeyChangeList):
    """Lists keys, and marks those of the page shown."""

    def get_results(self, request: HttpRequest) -> None:
        """Find the keys of the page, then mark them."""
        super().get_results(request)
        # Iterating fills the query set's cache, from which the page is written.
        mark_online(self.result_list)


def _behind_the_client_id(names: Iterable[Any]) -> list[Any]:
    client_id, *others = names
    return [client_id, "online_now", *others]


class OnlineKeyAdmin(PublicKeyAdmin):
    """The directory's pages, with the column "online now"."""

    list_display = _behind_the_client_id(PublicKeyAdmin.list_display)
    fields = _behind_the_client_id(PublicKeyAdmin.fields)

    def get_changelist(self, request: HttpRequest, **_options: Any) -> type[KeyList]:  # noqa: ARG002  # Django's name
        """Return the list that knows who is online."""
        return KeyList

    def get_object(self, *args: Any, **options: Any) -> PublicKey | None:
        """Find one key, and mark it."""
        key = super().get_object(*args, **options)
        if key is not None:
            mark_online([key])
        return key

    def close_connection(self, client_id: str) -> None:
        """Close a client's connection with 4503, in whichever process."""
        acts.close_connection(client_id)

    @admin.display(description="online now", boolean=True)
    def online_now(self, key: PublicKey) -> bool | None:
        """Return whether the client is connected to any process; None is unknown."""
        return key.is_online


admin.site.unregister(PublicKey)
admin.site.register(PublicKey, OnlineKeyAdmin)
