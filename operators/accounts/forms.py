"""The sign-in form with a password and a code."""

from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ValidationError

from operators.accounts import second_factor

# Long enough for a code with the spaces that apps and people put into it.
MAX_CODE_CHARACTERS = 32


class SecondFactorForm(AdminAuthenticationForm):
    """Checks username, password and code together: an error does not tell which of them was right."""

    error_messages = {  # noqa: RUF012  # Django's own convention for forms
        **AdminAuthenticationForm.error_messages,
        "invalid_login": (
            "Username, password or code is wrong. A code works only once: wait for the next one, or use a backup code. "
            "After several wrong codes, wait a minute."
        ),
        "not_enrolled": (
            "This account has no second factor yet, and this server asks for one. Whoever runs the server "
            "makes one with: manage.py enroltotp %(username)s"
        ),
    }
    code = forms.CharField(
        max_length=MAX_CODE_CHARACTERS,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false"}
        ),
        help_text="Six digits from your TOTP app, or one of your backup codes.",
    )

    def clean_code(self) -> str:
        """Return the code without the spaces and hyphens that make it readable."""
        code: str = self.cleaned_data["code"]
        return code.replace(" ", "").replace("-", "").lower()

    def clean(self) -> dict[str, Any]:
        """Check the password, then the code; check neither where the code field is not valid."""
        if "code" not in self.cleaned_data:
            return self.cleaned_data
        super().clean()
        user = self.get_user()
        if isinstance(user, User):
            self._verify(user)
        return self.cleaned_data

    def _verify(self, user: User) -> None:
        if not second_factor.is_enrolled(user):
            parameters = {"username": user.get_username()}
            raise ValidationError(self.error_messages["not_enrolled"], code="not_enrolled", params=parameters)
        # The session remembers the device, which is how django-otp knows the session as verified.
        device = second_factor.verify(user, self.cleaned_data["code"])
        if device is None:
            # A wrong code counts as a failed sign-in, like a wrong password.
            credentials = {"username": user.get_username()}
            user_login_failed.send(sender=__name__, credentials=credentials, request=self.request)
            raise self.get_invalid_login_error()
        user.otp_device = device  # type: ignore[attr-defined]  # what django-otp looks for when the session begins
