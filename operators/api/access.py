"""Who may use the operators' API, and how often."""

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.throttling import UserRateThrottle

from operators.accounts import second_factor

if TYPE_CHECKING:
    # Which imports this module, for the permissions in the settings.
    from rest_framework.views import APIView


class Operator(IsAdminUser):
    """Staff, by a token or by a session that proved all that the admin asks for."""

    message = "Only operators who have signed in with everything the admin asks for, or sent a token, may do this."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """A token is a secret of its own and needs no second factor."""
        is_staff = super().has_permission(request, view)
        return is_staff and (request.auth is not None or second_factor.suffices(request.user))


class MayViewKeys(Operator):
    """Whoever sees the directory in the admin."""

    message = "Only operators who may view public keys can do this: put the account into the group viewer or operator."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Ask for the admin's own permission."""
        return super().has_permission(request, view) and request.user.has_perm("pkd.view_publickey")


class OperatorThrottle(UserRateThrottle):
    """So many requests a minute for one operator, counted by each process for itself.

    It stops a script that runs wild; it is no quota that replicas would have to agree on through Redis, whose
    absence must not take this API away.
    """

    def get_rate(self) -> str | None:
        """Read the setting at each request."""
        limit = settings.LIMIT_API_REQUESTS_PER_MINUTE
        return f"{limit}/min" if limit else None
