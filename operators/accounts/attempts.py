"""Count failed sign-ins with django-axes, in the database, under pseudonyms.

The database, because replicas must agree, and because operators sign in when Redis is what is broken.
django-axes would keep addresses, usernames (people type passwords there), user agents and whole requests.
"""

import copy
import math
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render

from signaling.admission.client_ip import address_of_request
from signaling.admission.pseudonym import pseudonym


class SignInAttempts(AxesDatabaseHandler):  # type: ignore[misc]  # django-axes ships no types
    """Stores the count and the pseudonyms that it is kept for, and nothing else of the request."""

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
    ) -> None:
        """Count this failure, and mark the request if it was one too many."""
        if request is None:
            return
        bare: Any = copy.copy(request)
        bare.GET, bare.POST = QueryDict(), QueryDict()
        bare.axes_user_agent = bare.axes_http_accept = bare.axes_path_info = ""
        super().user_login_failed(sender, credentials, bare, **kwargs)
        request.axes_locked_out = bare.axes_locked_out  # type: ignore[attr-defined]  # read by its middleware
        request.axes_credentials = bare.axes_credentials  # type: ignore[attr-defined]


def pseudonymous_address(request: HttpRequest) -> str:
    """Return the address's pseudonym in the form that its column takes.

    100::/64 (RFC 6666) is a discard prefix, so this is the address of no client.
    """
    name = address_of_request(request)
    return f"100::{name[0:4]}:{name[4:8]}:{name[8:12]}"


def pseudonymous_username(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """Return a pseudonym of the text typed as the username."""
    return pseudonym(str((credentials or request.POST).get("username", "")))


def in_the_log(username: str, _address: str, _agent: str, _path: str, request: HttpRequest) -> str:
    """Describe a failed sign-in for the log; `username` is the pseudonym already."""
    return f"account {username} from {address_of_request(request)}"


def locked_out(
    request: HttpRequest, _response: HttpResponse | None, _credentials: dict[str, Any] | None
) -> HttpResponse:
    """Answer 429 with a page that says how long to wait."""
    seconds = settings.SIGN_IN_COOL_OFF_SECONDS
    context = {
        **admin.site.each_context(request),
        "title": "Too many failed sign-ins",
        "minutes": math.ceil(seconds / 60),
    }
    response = render(request, "accounts/locked_out.html", context, status=429)
    response["Retry-After"] = str(math.ceil(seconds))
    return response
