"""The pages that give the directory as a file and that import one."""

import logging
from typing import IO

from django import forms
from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone

from pkd.admin.reason import ReasonForm, ReasonPages
from pkd.files.export import FORMATS, stream
from pkd.files.import_keys import DirectoryChangedError, Import
from pkd.files.problems import BadLinesError

logger = logging.getLogger(__name__)

# A sentence of more client IDs is read by nobody.
MOST_NAMED = 100
LIST = "admin:pkd_publickey_changelist"


class ImportForm(ReasonForm):
    """Asks for a file, a reason, and whether keys may be replaced."""

    file = forms.FileField(
        widget=forms.FileInput(attrs={"accept": ".jsonl,application/jsonl"}),
        error_messages={"required": "Nothing was imported yet. Choose a file first."},
    )
    may_replace = forms.BooleanField(
        label="Replace keys",
        required=False,
        help_text="Where a client has another key here, replace it by the file's, and revoke or freeze what is so in "
        "the file. Otherwise such a line is bad.",
    )
    field_order = ("file", "may_replace", "reason")


class FilePages(ReasonPages):
    """Adds the pages to the directory's ModelAdmin."""

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Return whether this operator may export the directory."""
        return self.has_view_permission(request) and request.user.has_perm("pkd.export_publickey")

    def has_import_permission(self, request: HttpRequest) -> bool:
        """Return whether this operator may import a file."""
        return request.user.has_perm("pkd.import_publickey")

    def get_urls(self) -> list[URLPattern]:
        """Return the pages' URLs before the others, as a single key's would match them."""
        wrapped = self.admin_site.admin_view
        return [
            path("export/<str:extension>/", wrapped(self.export), name="pkd_publickey_export"),
            path("import/", wrapped(self.import_keys), name="pkd_publickey_import"),
            *super().get_urls(),
        ]

    def export(self, request: HttpRequest, extension: str) -> HttpResponseBase:
        """Stream the keys that the list shows with the same query, on all of its pages."""
        if not self.has_export_permission(request):
            raise PermissionDenied
        if extension not in FORMATS:
            raise Http404
        try:
            keys = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            return redirect(LIST)
        media_type, write = FORMATS[extension]
        logger.info("Operator %s exports the directory as %s", request.user.get_username(), extension)
        name = f"public-keys-{timezone.now():%Y-%m-%d}.{extension}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingHttpResponse(stream(write(keys)), content_type=media_type, headers=headers)

    def import_keys(self, request: HttpRequest) -> HttpResponseBase:
        """Ask for a file and a reason, then import it or name its bad lines."""
        if not self.has_import_permission(request):
            raise PermissionDenied
        form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
        problems = BadLinesError(0, [])
        if form.is_valid():
            try:
                self._import(request, **form.cleaned_data)
                return redirect(LIST if self.has_view_permission(request) else "admin:index")
            except BadLinesError as error:
                problems = error
            except DirectoryChangedError:
                form.add_error(
                    "file", "Nothing was imported, because the directory changed meanwhile or was busy. Try again."
                )
        return self.reason_page(
            request,
            "admin/pkd/publickey/import.html",
            form,
            title="Import public keys",
            count=problems.count,
            problems=problems.first,
        )

    def _import(self, request: HttpRequest, file: IO[bytes], reason: str, *, may_replace: bool) -> None:
        operator = request.user.get_username()
        done = Import(operator, reason, may_replace).run(file)
        logger.info("Operator %s imported %d new and %d changed keys", operator, done.new, done.changed)
        said = f"Imported {done.new} new and {done.changed} changed keys; {done.unchanged} were here already."
        self.message_user(request, said, messages.SUCCESS)
        if done.owned:
            self.message_user(request, _left_alone(done.owned), messages.WARNING)


def _left_alone(client_ids: list[str]) -> str:
    named = ", ".join(client_ids[:MOST_NAMED])
    more = len(client_ids) - MOST_NAMED
    others = f" and {more} more" if more > 0 else ""
    return f"Left alone, because they belong to a key, and only their owners change them: {named}{others}."
