"""The operators' API, for staff alone: the directory, who is online, a credential to test a relay with."""

from typing import Any

import msgspec
from asgiref.sync import async_to_sync
from django.conf import settings
from django.shortcuts import get_object_or_404
from django.urls import path, register_converter
from rest_framework import status
from rest_framework.generics import ListAPIView
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from pkd.models import NEWEST_CHANGES_SHOWN, KeyChange, PublicKey
from signaling import node
from signaling.protocol.messages import ClientId
from turn import ice


class ClientIdInPath:
    """A client ID in a URL; anything else is no such page."""

    regex = "[a-zA-Z0-9_-]{1,64}"

    def to_python(self, value: str) -> str:
        """Take it as it is."""
        return value

    def to_url(self, value: str) -> str:
        """Put it as it is."""
        return value


class KeyPagination(LimitOffsetPagination):
    """`?limit=` and `?offset=`, bounded."""

    max_limit = 1000


class KeySerializer(BaseSerializer[PublicKey]):
    """A key without its text, in the wire's camelCase."""

    def to_representation(self, key: PublicKey) -> dict[str, Any]:
        """Describe the key."""
        return {
            "clientId": key.client_id,
            "fingerprint": key.fingerprint,
            "firstSeen": key.first_seen,
            "lastChange": key.last_change,
            "changes": key.changes,
            "revoked": key.is_revoked,
            "frozen": key.is_frozen,
        }


class Keys(ListAPIView[PublicKey]):
    """`GET /api/keys/`: every key, by client ID."""

    queryset = PublicKey.objects.order_by("client_id")
    serializer_class = KeySerializer
    pagination_class = KeyPagination


class Key(APIView):
    """`GET /api/keys/<clientId>/`: one key with its text and its history, newest first."""

    def get(self, _request: Request, client_id: str) -> Response:
        """Answer 404 for a client that never published."""
        key = get_object_or_404(PublicKey, client_id=client_id)
        history = [_change(change) for change in key.history.all()[:NEWEST_CHANGES_SHOWN]]
        return Response({**KeySerializer(key).data, "publicKey": key.public_key, "history": history})


def _change(change: KeyChange) -> dict[str, Any]:
    return {
        "at": change.at,
        "kind": change.kind,
        "who": change.who,
        "oldFingerprint": change.old_fingerprint or None,
        "newFingerprint": change.new_fingerprint or None,
        "reason": change.reason,
    }


class Status(APIView):
    """`GET /api/status/`: who is connected, which calls are open, which version runs."""

    def get(self, _request: Request) -> Response:
        """Count now."""
        return Response({**async_to_sync(node.status)(), "version": settings.VERSION})


class TurnCredentials(APIView):
    """`POST /api/turn-credentials/` with `{"clientId": "..."}`: mint for that client, to test a relay."""

    def post(self, request: Request) -> Response:
        """Answer 503 without a TURN secret: nothing can be minted then."""
        try:
            wanted = msgspec.convert(request.data, CredentialRequest)
        except msgspec.ValidationError:
            return _refusal(
                status.HTTP_400_BAD_REQUEST,
                'Send {"clientId": "..."} with 1 to 64 letters, digits, hyphens or underscores.',
            )
        if not settings.TURN.secrets:
            return _refusal(
                status.HTTP_503_SERVICE_UNAVAILABLE,
                "This server has no TURN secret, so it cannot mint credentials; set TURN_SECRET.",
            )
        expires_at = ice.expiry()
        minted = {"iceServers": ice.ice_servers_until(wanted.client_id, expires_at), "expiresAt": expires_at}
        return Response(minted, headers={"Cache-Control": "no-store"})


class CredentialRequest(msgspec.Struct, rename="camel"):
    """The body that asks for a credential."""

    client_id: ClientId


def _refusal(code: int, sentence: str) -> Response:
    return Response({"detail": sentence}, status=code)


register_converter(ClientIdInPath, "client_id")

urlpatterns = [
    path("keys/", Keys.as_view(), name="api-keys"),
    path("keys/<client_id:client_id>/", Key.as_view(), name="api-key"),
    path("status/", Status.as_view(), name="api-status"),
    path("turn-credentials/", TurnCredentials.as_view(), name="api-turn-credentials"),
]
