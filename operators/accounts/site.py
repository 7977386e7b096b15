"""The admin site: Django's, with a second factor at its door where the settings ask for one."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from operators.accounts import second_factor
from operators.accounts.forms import SecondFactorForm


class AdminSite(admin.AdminSite):
    """Lets in who has signed in with everything that is asked for."""

    site_header = site_title = "SecureCall"

    def has_permission(self, request: HttpRequest) -> bool:
        """Also turn away sessions from before a second factor was asked for."""
        return super().has_permission(request) and second_factor.suffices(request.user)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Ask for a code too, where one is needed."""
        asks = settings.ADMIN_REQUIRE_2FA
        self.login_form = SecondFactorForm if asks else None
        self.login_template = "accounts/login.html" if asks else None
        return super().login(request, extra_context)
