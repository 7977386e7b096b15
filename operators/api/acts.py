"""The paths of decisions about a key, one a row of the admin's own table: the same permissions, reasons and log."""

from typing import Any

from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from operators import acts
from operators.api.access import MayViewKeys, admitting
from operators.api.errors import ConflictError, answers
from operators.api.fields import CamelSerializer, IdentityField, ReasonField
from operators.api.keys import KeySerializer
from pkd import identities
from pkd.admin.offers import OFFERS, Offer
from pkd.decisions import KeyReplacedError, NothingToDoError
from pkd.models import PublicKey

ACT_FAILURES = (400, 404, 409, 413, 415)


class DecisionSerializer(CamelSerializer):
    """The body of an act about a key: its reason, and the fingerprint of the key that was seen."""

    default_error_messages = {  # noqa: RUF012  # as DRF does
        "invalid": 'Send {{"reason": "..."}}, and with "fingerprint" the key that was looked at.'
    }
    reason = ReasonField()
    fingerprint = serializers.RegexField(
        r"^[0-9a-f]{64}$",
        required=False,
        trim_whitespace=False,
        help_text="The key that was looked at: where the client has published another one, nothing is done.",
    )


class ReleaseSerializer(DecisionSerializer):
    """The body of a release: that of any act, and the identity that alone may take the client ID."""

    new_owner = IdentityField(
        required=False, help_text="The identity that alone may take the client ID; without it, anybody may."
    )


class Decide(APIView):
    """Decides about a key."""

    offer: Offer
    body: type[DecisionSerializer]

    def decide(self, request: Request, client_id: str) -> Response:
        """Decide about a key with a reason, as the admin's action does; give the key as it is then."""
        asked = self.body(data=request.data)
        asked.is_valid(raise_exception=True)
        key = get_object_or_404(PublicKey, client_id=client_id)
        if asked.validated_data.get("fingerprint", key.fingerprint) != key.fingerprint:
            raise ConflictError
        new_owner = asked.validated_data.get("new_owner")
        offer = self.offer if new_owner is None else self.offer.to(new_owner)
        try:
            offer.carry_out(request.user, key, asked.validated_data["reason"])
        except NothingToDoError as error:
            raise ConflictError(f"Nothing was done: {error}.") from error
        except KeyReplacedError as error:
            raise ConflictError from error
        if self.offer.closes:
            acts.close_connection(client_id)
        key.refresh_from_db()
        identities.describe([key])
        return Response(KeySerializer(key).data)


def _view_of(offer: Offer) -> Any:
    """Make the view of an offer, which the OpenAPI document describes by itself."""
    asked = ReleaseSerializer if offer.names_owner else DecisionSerializer

    class DecideSo(Decide):
        permission_classes = (MayViewKeys, admitting(offer.is_allowed_to, f"{offer.permission} public keys"))

        @extend_schema(
            operation_id=f"{offer.name}Key",
            description=f"{offer.title}, as the admin does: {offer.explanation}",
            request=asked,
            responses=answers(KeySerializer, *ACT_FAILURES),
        )
        def post(self, request: Request, client_id: str) -> Response:
            """Decide so about a key."""
            return self.decide(request, client_id)

    DecideSo.offer, DecideSo.body = offer, asked
    return DecideSo.as_view()


def paths() -> list[URLPattern]:
    """Return a path for each row of the table."""
    return [
        path(f"keys/<client_id:client_id>/{offer.name}/", _view_of(offer), name=f"api-{offer.name}") for offer in OFFERS
    ]
