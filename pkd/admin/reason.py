"""The reason that an operator gives for a decision, and the pages that ask for it."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse

from pkd.models import MAX_REASON_CHARACTERS

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    # Only the type stubs know it as generic.
    ModelAdmin = admin.ModelAdmin


class ReasonForm(forms.Form):
    """Asks for a reason; `reason_help` says where it is kept."""

    reason = forms.CharField(
        max_length=MAX_REASON_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField", "autofocus": True}),
        error_messages={"required": "Nothing was done yet. Give a reason first."},
    )

    def __init__(
        self, *args: Any, reason_help: str = "Kept for good, in the history of each key.", **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.fields["reason"].help_text = reason_help


class ReasonPages(ModelAdmin):
    """A ModelAdmin with pages of its own that show a form."""

    def reason_page(self, request: HttpRequest, template: str, form: ReasonForm, **context: Any) -> TemplateResponse:
        """Show the form on a page of the admin; `context` is the template's, with the page's title."""
        shared = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "form": form,
        }
        return TemplateResponse(request, template, shared | context)
