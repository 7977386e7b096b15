"""Django's admin site, with a second factor at sign-in where the settings ask for one."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from operators.accounts import second_factor
from operators.accounts.forms import SecondFactorForm


class AdminSite(admin.AdminSite):
    """Admits users who signed in with everything that the settings ask for."""

    site_header = site_title = "SecureCall"

    def has_permission(self, request: HttpRequest) -> bool:
        """Return whether the user is staff and the session, perhaps older than the setting, has its second factor."""
        return super().has_permission(request) and second_factor.suffices(request.user)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the sign-in page, with a field for the code where the settings ask for one."""
        asks = settings.ADMIN_REQUIRE_2FA
        self.login_form = SecondFactorForm if asks else None
        self.login_template = "accounts/login.html" if asks else "accounts/sign_in.html"
        return super().login(request, extra_context)
