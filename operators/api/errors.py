"""The error answers of the operators' API: always `{"detail": "a sentence"}`."""

from collections.abc import Iterator
from typing import Any

from django.db import InterfaceError, OperationalError
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers, status, views
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response
from rest_framework.settings import api_settings

from signaling.protocol.errors import UnavailableError


class ErrorSerializer(serializers.Serializer[Any]):
    """Why not, and what to do about it."""

    detail = serializers.CharField()


class NotAvailableError(APIException):
    """Something behind the server is away."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The database or Redis cannot be reached now. Try again later."


class ConflictError(APIException):
    """What is asked for does not fit how it is now; nothing was done."""

    status_code = status.HTTP_409_CONFLICT
    default_detail = "Nothing was done: the client has published another key. Look at it, then decide again."


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn an exception into a response, or None for a bug, which is logged and answered with 500."""
    if isinstance(error, UnavailableError | OperationalError | InterfaceError):
        error = NotAvailableError()
    response = views.exception_handler(error, context)
    if response is not None and isinstance(error, ValidationError):
        response.data = {"detail": " ".join(_sentences(error.detail))}
    return response


def _sentences(detail: Any, name: str = "") -> Iterator[str]:
    """Yield each message as a sentence that names its field."""
    if isinstance(detail, dict):
        for field, about in detail.items():
            yield from _sentences(about, "" if field == api_settings.NON_FIELD_ERRORS_KEY else str(field))
    elif isinstance(detail, list):
        for about in detail:
            yield from _sentences(about, name)
    else:
        yield f"{name}: {detail}" if name else str(detail)


DESCRIPTIONS = {
    400: "A parameter or the body is wrong; `detail` says which and why.",
    401: "No token and no session, or one that is not valid.",
    403: "This account may not do this; or a session posts without its CSRF token.",
    404: "There is no such client or call, or no such path.",
    406: "Only JSON is spoken here.",
    409: "Nothing was done: it is so already, or the client has published another key than the one named.",
    413: "The body is too large.",
    415: "The body must be JSON and say so: `Content-Type: application/json`.",
    429: "Too many requests in this minute; `Retry-After` says how many seconds to wait.",
    503: "Something that this needs is not there now, or not set.",
}
ALWAYS = (401, 403, 406, 429, 503)


def answers(success: Any, *failures: int) -> dict[int, Any]:
    """Describe an operation's responses: its success, what may always fail, and `failures` of its own."""
    described = {code: OpenApiResponse(ErrorSerializer, DESCRIPTIONS[code]) for code in sorted({*ALWAYS, *failures})}
    return {200: success, **described}
