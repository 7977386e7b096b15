"""The paths of the operators' API."""

from django.urls import path, register_converter
from drf_spectacular.views import SpectacularJSONAPIView

from operators.api import acts
from operators.api.bans import BanClient, Bans, LiftBan
from operators.api.fields import CLIENT_ID_PATTERN
from operators.api.keys import History, Key, Keys
from operators.api.live import Calls, Clients, Disconnect, EndCall
from operators.api.operations import Status, TurnCredentials


class ClientIdInPath:
    """Matches a client ID in a URL; anything else is 404."""

    regex = CLIENT_ID_PATTERN.removeprefix("^").removesuffix("$")

    def to_python(self, value: str) -> str:
        """Return it unchanged."""
        return value

    def to_url(self, value: str) -> str:
        """Return it unchanged."""
        return value


register_converter(ClientIdInPath, "client_id")

urlpatterns = [
    path("schema/", SpectacularJSONAPIView.as_view(), name="api-schema"),
    path("keys/", Keys.as_view(), name="api-keys"),
    path("keys/<client_id:client_id>/", Key.as_view(), name="api-key"),
    path("keys/<client_id:client_id>/history/", History.as_view(), name="api-history"),
    *acts.paths(),
    path("clients/", Clients.as_view(), name="api-clients"),
    path("clients/<client_id:client_id>/disconnect/", Disconnect.as_view(), name="api-disconnect"),
    path("calls/", Calls.as_view(), name="api-calls"),
    path("calls/<client_id:call_id>/end/", EndCall.as_view(), name="api-end-call"),
    path("clients/<client_id:client_id>/ban/", BanClient.as_view(), name="api-ban-client"),
    path("bans/", Bans.as_view(), name="api-bans"),
    path("bans/<int:number>/lift/", LiftBan.as_view(), name="api-lift-ban"),
    path("status/", Status.as_view(), name="api-status"),
    path("turn-credentials/", TurnCredentials.as_view(), name="api-turn-credentials"),
]
