"""Which clients of the directory are connected now, asked for a whole page at once."""

from collections.abc import Iterable

from asgiref.sync import async_to_sync
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest

from pkd.models import PublicKey
from signaling import node
from signaling.protocol.errors import UnavailableError


def mark_online(keys: Iterable[PublicKey]) -> None:
    """Set `is_online` of each key, in one step; it stays None, unknown, while Redis is away."""
    by_client_id = {key.client_id: key for key in keys}
    if not by_client_id:
        return
    try:
        online = async_to_sync(node.who_is_online)(by_client_id.keys())
    except UnavailableError:
        return
    for client_id, key in by_client_id.items():
        key.is_online = client_id in online


class KeyList(ChangeList):
    """The list of keys, each of the page shown marked."""

    def get_results(self, request: HttpRequest) -> None:
        """Ask once the page is known."""
        super().get_results(request)
        # Iterating fills the query set's cache, from which the page is written.
        mark_online(self.result_list)
