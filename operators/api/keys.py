"""The directory's paths: every key, one key, and its history."""

from typing import Any, get_args

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from operators.api.access import MayViewKeys
from operators.api.errors import answers
from operators.api.fields import (
    CamelSerializer,
    ClientIdField,
    FlagParameter,
    NullableField,
    NumberParameter,
    ParametersSerializer,
    SearchField,
    checked,
)
from pkd import identities
from pkd.models import NEWEST_CHANGES_SHOWN, KeyChange, PublicKey
from pkd.search import HELP, matching
from pkd.statements import Status

DEFAULT_LIMIT, MAX_LIMIT = 100, 1000
MAX_OFFSET = 2**31 - 1
MAX_SEARCH_CHARACTERS = 128


class KeySerializer(CamelSerializer):
    """A key without its text. A reserved client ID has no fingerprint: no key was published for it yet."""

    client_id = ClientIdField()
    fingerprint = NullableField(help_text="SHA-256 of the UTF-8 key, in hex.")
    first_seen = serializers.DateTimeField()
    last_change = serializers.DateTimeField()
    changes = serializers.IntegerField(min_value=0, help_text="Replacements, revocations and their lifting.")
    revoked = serializers.BooleanField(source="is_revoked")
    frozen = serializers.BooleanField(source="is_frozen", help_text="Whether an operator keeps the key from changing.")
    status = serializers.ChoiceField(
        get_args(Status), source="ownership.status", help_text="Whether the client ID belongs to a key."
    )
    owned_since = serializers.DateTimeField(
        source="ownership.owned_since", allow_null=True, help_text="None of a client ID that belongs to no key."
    )
    recovery_code = serializers.BooleanField(
        source="ownership.has_recovery_code",
        allow_null=True,
        help_text="Whether the owner can restore the client ID with one; none where it belongs to no key.",
    )
    statements = serializers.IntegerField(
        source="ownership.statements", min_value=0, help_text="How many of the owner's are kept."
    )


class ChangeSerializer(CamelSerializer):
    """One change of a key."""

    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(KeyChange.Kind.choices)
    who = serializers.CharField(help_text="`client`, or the operator's username.")
    old_fingerprint = NullableField(help_text="None before a first publication.")
    new_fingerprint = NullableField(help_text="None after a revocation.")
    reason = serializers.CharField(allow_blank=True)


class KeyWithHistorySerializer(KeySerializer):
    """A key with its text and its newest changes."""

    public_key = NullableField()
    history = serializers.SerializerMethodField(help_text=f"Newest first, at most {NEWEST_CHANGES_SHOWN}.")

    @extend_schema_field(ChangeSerializer(many=True))
    def get_history(self, key: PublicKey) -> Any:
        """Return the newest changes."""
        return ChangeSerializer(key.history.all()[:NEWEST_CHANGES_SHOWN], many=True).data


class PageParameters(ParametersSerializer):
    """Which part of a list."""

    limit = NumberParameter(required=False, min_value=1, max_value=MAX_LIMIT, help_text=f"Default {DEFAULT_LIMIT}.")
    offset = NumberParameter(required=False, min_value=0, max_value=MAX_OFFSET)


class KeyParameters(PageParameters):
    """Which keys, and which part of their list."""

    search = SearchField(max_length=MAX_SEARCH_CHARACTERS, help_text=HELP)
    revoked = FlagParameter(required=False)
    frozen = FlagParameter(required=False)
    owned = FlagParameter(required=False)
    changed_since = serializers.DateTimeField(
        required=False, help_text="Keys published or changed at this moment or later; ISO 8601."
    )


class Pagination(LimitOffsetPagination):
    """`?limit=` and `?offset=`, which `PageParameters` has checked."""

    default_limit = DEFAULT_LIMIT
    max_limit = MAX_LIMIT


class Keys(ListAPIView[PublicKey]):
    """Every key, by client ID."""

    permission_classes = (MayViewKeys,)
    serializer_class = KeySerializer
    pagination_class = Pagination

    @extend_schema(
        operation_id="listKeys", parameters=[KeyParameters], responses=answers(KeySerializer(many=True), 400)
    )
    def get(self, request: Request, *args: Any, **options: Any) -> Response:
        """List keys, by client ID."""
        return super().get(request, *args, **options)

    def get_queryset(self) -> QuerySet[PublicKey]:
        """Return the keys that match the parameters."""
        asked = checked(KeyParameters, self.request)
        keys = PublicKey.objects.order_by("client_id")
        if "search" in asked:
            keys = matching(keys, asked["search"])
        if "revoked" in asked:
            keys = keys.filter(revoked_at__isnull=not asked["revoked"])
        if "frozen" in asked:
            keys = keys.filter(frozen_at__isnull=not asked["frozen"])
        if "owned" in asked:
            is_owned = Q(identity__isnull=False, identity__erased_at=None)
            keys = keys.filter(is_owned if asked["owned"] else ~is_owned)
        if "changed_since" in asked:
            keys = keys.filter(last_change__gte=asked["changed_since"])
        return keys

    def paginate_queryset(self, queryset: Any) -> Any:
        """Return the keys of a page, with their owners."""
        page = super().paginate_queryset(queryset)
        identities.describe(page or [])
        return page


class Key(APIView):
    """One key."""

    permission_classes = (MayViewKeys,)

    @extend_schema(operation_id="getKey", responses=answers(KeyWithHistorySerializer, 404))
    def get(self, _request: Request, client_id: str) -> Response:
        """Give one key with its text and its history, newest first."""
        key = get_object_or_404(PublicKey, client_id=client_id)
        identities.describe([key])
        return Response(KeyWithHistorySerializer(key).data)


class History(ListAPIView[KeyChange]):
    """All changes of one key."""

    permission_classes = (MayViewKeys,)
    serializer_class = ChangeSerializer
    pagination_class = Pagination

    @extend_schema(
        operation_id="listChanges",
        parameters=[PageParameters],
        responses=answers(ChangeSerializer(many=True), 400, 404),
    )
    def get(self, request: Request, *args: Any, **options: Any) -> Response:
        """List a key's changes, newest first."""
        return super().get(request, *args, **options)

    def get_queryset(self) -> QuerySet[KeyChange]:
        """Return the client's changes; 404 for one that never published."""
        checked(PageParameters, self.request)
        return get_object_or_404(PublicKey, client_id=self.kwargs["client_id"]).history.all()
