"""The paths of bans: list them, ban a client ID or a network, lift a ban."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bans import decisions
from bans.decisions import MOST_SECONDS, Subject
from bans.models import Ban, in_force
from operators import banning
from operators.api.access import admitting
from operators.api.errors import ConflictError, answers
from operators.api.fields import CamelSerializer, NullableField, ReasonField, checked
from operators.api.keys import PageParameters, Pagination
from operators.api.live import ReasonSerializer, reason_in
from operators.banning import TO_BAN
from pkd.decisions import NothingToDoError


class BanSerializer(CamelSerializer):
    """A ban."""

    id = serializers.IntegerField(source="pk")
    client_id = NullableField(help_text="None of a banned network.")
    network = NullableField(help_text="None of a banned client ID.")
    begins_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    who = serializers.CharField()
    reason = serializers.CharField()


_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
# The usual spellings; of IPv6 others are taken as well.
NETWORK_PATTERN = (
    rf"^(?:(?:{_BYTE}\.){{3}}{_BYTE}(?:/(?:[89]|[12][0-9]|3[0-2]))?"
    r"|(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}(?:/(?:1[6-9]|[2-9][0-9]|1[01][0-9]|12[0-8]))?)$"
)


@extend_schema_field({"type": "string", "pattern": NETWORK_PATTERN})
class NetworkField(serializers.Field[Any, Any, str, Any]):
    """Accepts an address or a network."""

    default_error_messages = dict.fromkeys(
        ("invalid", "required", "null"), "Give an address or a network, such as 203.0.113.7 or 203.0.113.0/24."
    )

    def to_internal_value(self, data: Any) -> Subject:
        """Return the network in its one spelling; fail for anything else."""
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return decisions.checked_subject("", data)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error

    def to_representation(self, value: Any) -> str:
        """Return it as text."""
        return str(value)


class SecondsField(serializers.IntegerField):
    """Accepts a number alone, whole, and no text that reads as one."""

    def to_internal_value(self, data: Any) -> int:
        """Return the number; fail for anything else."""
        if isinstance(data, bool) or not isinstance(data, int | float) or data % 1:
            self.fail("invalid")
        return super().to_internal_value(data)


class BanClientSerializer(CamelSerializer):
    """The body of a ban of a client ID: how long it lasts, and the reason."""

    default_error_messages = {"invalid": 'Send {{"seconds": 3600, "reason": "..."}}.'}  # noqa: RUF012  # as DRF does
    seconds = SecondsField(min_value=1, max_value=MOST_SECONDS)
    reason = ReasonField()


class BanNetworkSerializer(BanClientSerializer):
    """The body of a ban of a network: the network, how long it lasts, and the reason."""

    network = NetworkField(help_text="An address or a network; of IPv6 the whole /64 is banned.")


def _ban(request: Request, subject: Subject, given: Mapping[str, Any]) -> Response:
    try:
        decided = banning.ban(request.user, subject, given["seconds"], given["reason"])
    except NothingToDoError as error:
        raise ConflictError(f"Nothing was done: {error}.") from error
    return Response(BanSerializer(decided).data)


class BanClient(APIView):
    """Bans a client ID."""

    permission_classes = (admitting(TO_BAN.is_given_to, "see and decide bans"),)

    @extend_schema(
        operation_id="banClient", request=BanClientSerializer, responses=answers(BanSerializer, 400, 404, 409, 413, 415)
    )
    def post(self, request: Request, client_id: str) -> Response:
        """Ban a client ID: who is connected as it is closed with 4503, on every process."""
        asked = BanClientSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return _ban(request, Subject(client_id=client_id), asked.validated_data)


class Bans(ListAPIView[Ban]):
    """The bans in force."""

    serializer_class = BanSerializer
    pagination_class = Pagination

    def get_permissions(self) -> list[Any]:
        """Return what the method takes: to see bans, or to decide."""
        if self.request.method == "POST":
            return [admitting(TO_BAN.is_given_to, "see and decide bans")()]
        return [admitting(lambda user: user.has_perm(TO_BAN.view), "view bans")()]

    @extend_schema(
        operation_id="listBans", parameters=[PageParameters], responses=answers(BanSerializer(many=True), 400)
    )
    def get(self, request: Request, *args: Any, **options: Any) -> Response:
        """List the bans in force, the newest first."""
        return super().get(request, *args, **options)

    @extend_schema(
        operation_id="banNetwork", request=BanNetworkSerializer, responses=answers(BanSerializer, 400, 409, 413, 415)
    )
    def post(self, request: Request) -> Response:
        """Ban a network: its connections are closed with 4503, on every process, and it gets no other."""
        asked = BanNetworkSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        return _ban(request, asked.validated_data["network"], asked.validated_data)

    def get_queryset(self) -> QuerySet[Ban]:
        """Return the bans in force."""
        checked(PageParameters, self.request)
        return Ban.objects.filter(in_force())


class LiftBan(APIView):
    """Lifts a ban."""

    permission_classes = (admitting(TO_BAN.is_given_to, "see and decide bans"),)

    @extend_schema(
        operation_id="liftBan", request=ReasonSerializer, responses=answers(BanSerializer, 400, 404, 409, 413, 415)
    )
    def post(self, request: Request, number: int) -> Response:
        """Lift a ban."""
        try:
            lifted = banning.lift(request.user, number, reason_in(request))
        except NothingToDoError as error:
            raise ConflictError(f"Nothing was done: the ban is {error}.") from error
        except Ban.DoesNotExist as error:
            raise Http404 from error
        return Response(BanSerializer(lifted).data)
