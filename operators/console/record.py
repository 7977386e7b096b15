"""The page *Public record*: how large the log is, whether it goes on, who cosigns it, and what was released."""

from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.http import require_POST

from operators.console.models import PublicRecord
from pkd.admin.read_only import ReadOnly
from pkd.models import Identity, KeyChange
from signaling import operations
from transparency.keys import current
from transparency.stored import StoppedError

if TYPE_CHECKING:
    # The stubs alone know what a ModelAdmin is of.
    ModelAdmin = admin.ModelAdmin[PublicRecord]
else:
    ModelAdmin = admin.ModelAdmin


@admin.register(PublicRecord)
class PublicRecordAdmin(ReadOnly, ModelAdmin):
    """Shows the figures of the log, and signs it when asked to."""

    def get_urls(self) -> list[URLPattern]:
        """Return the URLs of this page alone: those that Django would add query a table."""
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.changelist_view), name="console_publicrecord_changelist"),
            path("check/", wrap(require_POST(self.check_view)), name="console_publicrecord_check"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show the figures."""
        self._refuse_strangers(request)
        keys, now, log = current(), timezone.now(), async_to_sync(operations.log_state)()
        releases = KeyChange.objects.filter(kind=KeyChange.Kind.RELEASED, at__year=now.year, at__month=now.month)
        context = {
            **self.admin_site.each_context(request),
            "title": "Public record",
            "opts": self.opts,
            "vkey": None if keys is None else keys.vkey,
            "log": log,
            "witnesses": [
                {**witness._asdict(), "age_seconds": max(now.timestamp() - witness.at, 0)} for witness in log.witnesses
            ],
            "owned": Identity.objects.filter(erased_at=None).count(),
            "releases": releases.count(),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "console/public_record.html", context)

    def check_view(self, request: HttpRequest) -> HttpResponse:
        """Sign the log as it is, which asks the database and the guard, and say how that went."""
        self._refuse_strangers(request)
        try:
            is_signed = async_to_sync(operations.log_checkpoint)() is not None
        except StoppedError:
            state = async_to_sync(operations.log_state)()
            self.message_user(request, f"Nothing was signed. {state.stopped_by or 'Try again.'}", messages.ERROR)
        else:
            if is_signed:
                self.message_user(request, "Checked and signed: the guard lets the log go on.", messages.SUCCESS)
        return redirect("admin:console_publicrecord_changelist")

    def _refuse_strangers(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied
