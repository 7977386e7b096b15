"""The paths of connected clients and open calls: list them, disconnect one, end one."""

from typing import Any

from asgiref.sync import async_to_sync
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from operators import acts
from operators.api.access import admitting
from operators.api.errors import NotAvailableError, answers
from operators.api.fields import CamelSerializer, ClientIdField, ParametersSerializer, ReasonField, SearchField, checked
from signaling import operations
from signaling.protocol.errors import CallNotFoundError

MOST_LISTED = 1000
MAX_SEARCH_CHARACTERS = 64
ACT_FAILURES = (400, 404, 413, 415)


class SearchParameters(ParametersSerializer):
    """The parameters of a list: a text to look for."""

    search = SearchField(max_length=MAX_SEARCH_CHARACTERS, help_text="Left out: all.")


class ReasonSerializer(CamelSerializer):
    """The body of an act: its reason."""

    default_error_messages = {"invalid": 'Send {{"reason": "..."}}.'}  # noqa: RUF012  # as DRF does
    reason = ReasonField()


class ClientSerializer(CamelSerializer):
    """A connected client."""

    client_id = ClientIdField()
    connected_seconds = serializers.FloatField(min_value=0)
    silent_seconds = serializers.FloatField(min_value=0, help_text="Since its last message.")
    calls = serializers.IntegerField(min_value=0)
    process = serializers.CharField()


class ClientsSerializer(CamelSerializer):
    """The first connected clients by ID, and how many there are."""

    count = serializers.IntegerField(min_value=0)
    silent_clients = serializers.IntegerField(
        min_value=0, help_text="Registered with processes that did not answer within a second, and not listed."
    )
    results = ClientSerializer(many=True)


class CallSerializer(CamelSerializer):
    """An open call."""

    call_id = ClientIdField()
    caller_id = ClientIdField(source="caller")
    callee_id = ClientIdField(source="callee")
    state = serializers.CharField(help_text="`ringing` or `active`.")
    age_seconds = serializers.FloatField(min_value=0)


class CallsSerializer(CamelSerializer):
    """The newest open calls, and how many there are."""

    count = serializers.IntegerField(min_value=0)
    results = CallSerializer(many=True)


class DisconnectedSerializer(CamelSerializer):
    """Who was disconnected."""

    client_id = ClientIdField()


class EndedSerializer(CamelSerializer):
    """Which call was ended."""

    call_id = ClientIdField()


class Clients(APIView):
    """The connected clients of all processes."""

    permission_classes = (admitting(lambda user: user.has_perm(acts.TO_DISCONNECT.view), "view presence"),)

    @extend_schema(operation_id="listClients", parameters=[SearchParameters], responses=answers(ClientsSerializer, 400))
    def get(self, request: Request) -> Response:
        """List connected clients by ID, the first 1,000; `search` is a part of one, in any case."""
        text = checked(SearchParameters, request).get("search", "")
        found = async_to_sync(operations.find_clients)(text, MOST_LISTED)
        listed = {"count": found.total, "silent_clients": sum(found.silent.values()), "results": found.clients}
        return Response(ClientsSerializer(listed).data)


class Calls(APIView):
    """The open calls of all processes."""

    permission_classes = (admitting(lambda user: user.has_perm(acts.TO_END_CALLS.view), "view calls"),)

    @extend_schema(operation_id="listCalls", parameters=[SearchParameters], responses=answers(CallsSerializer, 400))
    def get(self, request: Request) -> Response:
        """List open calls, the newest 1,000 first; `search` is a part of a client ID or call ID."""
        text = checked(SearchParameters, request).get("search", "")
        found = async_to_sync(operations.open_calls)(text, MOST_LISTED)
        return Response(CallsSerializer({"count": found.total, "results": found.calls}).data)


class Disconnect(APIView):
    """Closes a client's connection."""

    permission_classes = (admitting(acts.TO_DISCONNECT.is_given_to, "see and disconnect clients"),)

    @extend_schema(
        operation_id="disconnectClient",
        request=ReasonSerializer,
        responses=answers(DisconnectedSerializer, *ACT_FAILURES),
    )
    def post(self, request: Request, client_id: str) -> Response:
        """Close a client's connection with 4503, on whichever process; its calls are held."""
        outcome = acts.disconnect(request.user, client_id, reason_in(request))
        if outcome.was_connected:
            return Response({"clientId": client_id})
        if outcome.silent:
            raise NotAvailableError("The client was not found, and not every process answered. Try again.")
        raise NotFound("This client is not connected; nothing was done.")


class EndCall(APIView):
    """Ends a call."""

    permission_classes = (admitting(acts.TO_END_CALLS.is_given_to, "see and end calls"),)

    @extend_schema(operation_id="endCall", request=ReasonSerializer, responses=answers(EndedSerializer, *ACT_FAILURES))
    def post(self, request: Request, call_id: str) -> Response:
        """End a call: both sides are told `CALL_ENDED` with the reason `operator`, now or when they are back."""
        try:
            acts.end_call(request.user, call_id, reason_in(request))
        except CallNotFoundError as error:
            raise NotFound("There is no such call any more; nothing was done.") from error
        return Response({"callId": call_id})


def reason_in(request: Request) -> Any:
    """Return the reason that the body gives; raises DRF's `ValidationError`."""
    asked = ReasonSerializer(data=request.data)
    asked.is_valid(raise_exception=True)
    return asked.validated_data["reason"]
