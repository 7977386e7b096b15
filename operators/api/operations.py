"""The paths that say what runs now, and mint a credential to test a TURN server with."""

from asgiref.sync import async_to_sync
from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from operators.api.errors import NotAvailableError, answers
from operators.api.fields import CamelSerializer, ClientIdField
from signaling import operations
from signaling.telemetry.counters import counters
from turn import ice


class OpenCallsSerializer(CamelSerializer):
    """Calls by their state."""

    ringing = serializers.IntegerField(min_value=0)
    active = serializers.IntegerField(min_value=0)


class StatusSerializer(CamelSerializer):
    """All processes together."""

    connections = serializers.IntegerField(min_value=0)
    registered_clients = serializers.IntegerField(min_value=0)
    open_calls = OpenCallsSerializer()
    version = serializers.CharField()


class Status(APIView):
    """The counts of connections and open calls, and the version that runs."""

    @extend_schema(operation_id="getStatus", responses=answers(StatusSerializer))
    def get(self, _request: Request) -> Response:
        """Count connections, registered clients and open calls now, and name the version."""
        return Response({**async_to_sync(operations.status)(), "version": settings.VERSION})


class CredentialRequestSerializer(CamelSerializer):
    """The client ID that a credential is minted for."""

    default_error_messages = {  # noqa: RUF012  # as DRF does
        "invalid": 'Send {{"clientId": "..."}} with 1 to 64 letters, digits, hyphens or underscores.'
    }
    client_id = ClientIdField()


class IceServerSerializer(CamelSerializer):
    """The W3C's `RTCIceServer`; a STUN server has no credential."""

    urls = serializers.CharField()
    username = serializers.CharField(required=False)
    credential = serializers.CharField(required=False)


class CredentialSerializer(CamelSerializer):
    """Ready for `new RTCPeerConnection({iceServers})`, until `expiresAt` (unix seconds)."""

    ice_servers = IceServerSerializer(many=True)
    expires_at = serializers.IntegerField()


class TurnCredentials(APIView):
    """A credential to test a relay with."""

    @extend_schema(
        operation_id="mintTurnCredentials",
        request=CredentialRequestSerializer,
        responses=answers(CredentialSerializer, 400, 413, 415),
    )
    def post(self, request: Request) -> Response:
        """Mint credentials for a client. 503 without a TURN secret: nothing can be minted then."""
        wanted = CredentialRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        if not settings.TURN.secrets:
            raise NotAvailableError("This server has no TURN secret, so it cannot mint credentials; set TURN_SECRET.")
        servers, expires_at = ice.entries(wanted.validated_data["client_id"])
        if not any("credential" in server for server in servers):
            raise NotAvailableError("The TURN provider gives no credentials now. The server's log says why.")
        minted = {"iceServers": counters.count_minted(servers), "expiresAt": expires_at}
        return Response(minted, headers={"Cache-Control": "no-store"})
