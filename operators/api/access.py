"""The permissions and the rate limit of the operators' API."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.conf import settings
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.throttling import UserRateThrottle

from operators.accounts import second_factor

if TYPE_CHECKING:
    # Which imports this module, for the permissions in the settings.
    from rest_framework.views import APIView


class Operator(IsAdminUser):
    """Admits staff with a token, or with a session that proved all that the admin asks for."""

    message = "Only operators who have signed in with everything the admin asks for, or sent a token, may do this."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Return whether the user is staff; a token is a secret of its own and needs no second factor."""
        is_staff = super().has_permission(request, view)
        return is_staff and (request.auth is not None or second_factor.suffices(request.user))


class MayViewKeys(Operator):
    """Admits staff who may view the directory in the admin."""

    message = "Only operators who may view public keys can do this: put the account into the group viewer or operator."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Return whether the user has the admin's own permission."""
        return super().has_permission(request, view) and request.user.has_perm("pkd.view_publickey")


def admitting(is_allowed: Callable[[Any], bool], need: str) -> type[Operator]:
    """Make a permission that admits staff whom the admin allows the same; `need` names what the others lack."""

    class MayAct(Operator):
        """Admits staff who may do this in the admin."""

        message = f"Only operators who may {need} can do this: give the account the permission, or a group that has it."

        def has_permission(self, request: Request, view: "APIView") -> bool:
            """Return whether the user has the admin's own permissions."""
            return super().has_permission(request, view) and is_allowed(request.user)

    return MayAct


class OperatorThrottle(UserRateThrottle):
    """Limits the requests of one operator a minute, counted by each process for itself.

    It stops a script that runs wild; it is no quota that replicas would have to agree on through Redis, whose
    absence must not take this API away.
    """

    def get_rate(self) -> str | None:
        """Return the setting's value at this request."""
        limit = settings.LIMIT_API_REQUESTS_PER_MINUTE
        return f"{limit}/min" if limit else None
