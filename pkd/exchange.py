"""The directory as a file: the page that gives one, and the page that takes one."""

import logging
from typing import IO, TYPE_CHECKING

from django import forms
from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone

from pkd.actions import ReasonForm
from pkd.export import FORMS, streamed
from pkd.importing import BadLinesError, DirectoryChangedError, Import

if TYPE_CHECKING:
    from pkd.admin import PublicKeyAdmin

logger = logging.getLogger(__name__)

LIST = "admin:pkd_publickey_changelist"


def export(model_admin: "PublicKeyAdmin", request: HttpRequest, form: str) -> HttpResponseBase:
    """Stream the keys that the list shows with the same query, on all of its pages."""
    if not model_admin.has_export_permission(request):
        raise PermissionDenied
    if form not in FORMS:
        raise Http404
    try:
        keys = model_admin.get_changelist_instance(request).queryset
    except IncorrectLookupParameters:
        return redirect(LIST)
    content_type, written = FORMS[form]
    logger.info("Operator %s exports the directory as %s", request.user.get_username(), form)
    name = f"public-keys-{timezone.now():%Y-%m-%d}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(streamed(written(keys)), content_type=content_type, headers=headers)


class ImportForm(ReasonForm):
    """Which file, why, and what it may do."""

    file = forms.FileField(
        widget=forms.FileInput(attrs={"accept": ".csv,.json,text/csv,application/json"}),
        error_messages={"required": "Nothing was imported yet. Choose a file first."},
    )
    may_replace = forms.BooleanField(
        label="Replace keys",
        required=False,
        help_text="Where a client has another key here, replace it by the file's, and revoke or freeze what is so in "
        "the file. Otherwise such a line is bad.",
    )
    field_order = ("file", "may_replace", "reason")


def import_keys(model_admin: "PublicKeyAdmin", request: HttpRequest) -> HttpResponseBase:
    """Ask for a file and a reason, then import it or say what is wrong with it."""
    if not model_admin.has_import_permission(request):
        raise PermissionDenied
    form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
    problems = BadLinesError(0, [])
    if form.is_valid():
        try:
            _import(model_admin, request, **form.cleaned_data)
            return redirect(LIST if model_admin.has_view_permission(request) else "admin:index")
        except BadLinesError as error:
            problems = error
        except DirectoryChangedError:
            form.add_error(
                "file", "Nothing was imported, because the directory changed meanwhile or was busy. Try again."
            )
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "Import public keys",
        "opts": model_admin.opts,
        "media": model_admin.media,
        "form": form,
        "count": problems.count,
        "problems": problems.first,
    }
    return TemplateResponse(request, "admin/pkd/publickey/import.html", context)


def _import(
    model_admin: "PublicKeyAdmin", request: HttpRequest, file: IO[bytes], reason: str, *, may_replace: bool
) -> None:
    operator = request.user.get_username()
    done = Import(operator, reason, may_replace).run(file)
    logger.info("Operator %s imported %d new and %d changed keys", operator, done.new, done.changed)
    said = f"Imported {done.new} new and {done.changed} changed keys; {done.unchanged} were here already."
    model_admin.message_user(request, said, messages.SUCCESS)
