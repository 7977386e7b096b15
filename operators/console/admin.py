"""The pages that list the connected clients and the open calls, and disconnect or end one of them.

Nothing here has a table: the pages ask the processes and the registry each time they are opened.
"""

from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode

from operators import (
    acts,
    keys_online,  # noqa: F401  # registers the directory's pages, which autodiscovery finds nowhere else
)
from operators.acts import Permission
from operators.console import bans, record  # noqa: F401  # registers their pages, likewise
from operators.console.models import Call, Presence
from pkd.admin.read_only import ReadOnly
from pkd.admin.reason import ReasonForm, ReasonPages
from signaling import operations
from signaling.operations import Found, OpenCalls
from signaling.protocol.errors import CallNotFoundError, UnavailableError

# A page of this many rows is read at a glance and made in milliseconds, however many clients there are.
MOST_ROWS = 200
REASON_HELP = "Kept in the log of the admin; the client is not told."
REDIS_IS_AWAY = "Redis is away: the calls cannot be listed or ended now. Try again in a moment."


class LiveAdmin(ReadOnly, ReasonPages):
    """Lists what there is now, and offers one act on a row of it."""

    # The permission to act, and what the page for it says.
    act_permission: Permission
    verb: str
    title: str
    explanation: str

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Return whether this operator may see the list and disconnect a client of it, or end a call."""
        return self.act_permission.is_given_to(request.user)

    def get_urls(self) -> list[URLPattern]:
        """Return the URLs of these pages alone: those that Django would add query a table."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.changelist_view), name=f"{name}_changelist"),
            # Where the log of the admin leads.
            path("<path:object_id>/change/", wrap(self.show_one), name=f"{name}_change"),
            path("<path:object_id>/act/", wrap(self.act_view), name=f"{name}_act"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """List what there is, or what was searched for."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        text = request.GET.get("q", "").strip()
        context = {
            **self.admin_site.each_context(request),
            "title": str(self.opts.verbose_name_plural).capitalize(),
            "opts": self.opts,
            "q": text,
            "may_act": self.has_act_permission(request),
            "verb": self.verb,
            "most": MOST_ROWS,
            **self.rows(text),
            **(extra_context or {}),
        }
        return TemplateResponse(request, f"console/{self.opts.model_name}_list.html", context)

    def show_one(self, _request: HttpRequest, object_id: str) -> HttpResponseRedirect:
        """Redirect to the list, searched for the object, where the log of the admin links to the object."""
        return self.to_list(unquote(object_id))

    def act_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a reason, then act."""
        if not self.has_act_permission(request):
            raise PermissionDenied
        name = unquote(object_id)
        form = ReasonForm(request.POST or None, reason_help=REASON_HELP)
        if form.is_valid():
            for level, sentence in self.act(request, name, form.cleaned_data["reason"]):
                self.message_user(request, sentence, level)
            # The link that led here names the search that it stood in.
            return self.to_list(request.GET.get("q", ""))
        return self.reason_page(
            request,
            "console/act.html",
            form,
            title=f"{self.title} {name}",
            verb=self.verb,
            explanation=self.explanation,
        )

    def to_list(self, text: str = "") -> HttpResponseRedirect:
        """Redirect to the list, searched for `text`."""
        query = f"?{urlencode({'q': text})}" if text else ""
        return redirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist") + query)

    def rows(self, text: str) -> dict[str, Any]:
        """Return the rows for the list's template."""
        raise NotImplementedError

    def act(self, request: HttpRequest, name: str, reason: str) -> list[tuple[int, str]]:
        """Act on the object with this ID; return the level and text of each message for the operator."""
        raise NotImplementedError


@admin.register(Presence)
class PresenceAdmin(LiveAdmin):
    """Lists connected clients, and disconnects one."""

    act_permission = acts.TO_DISCONNECT
    verb = "Disconnect"
    title = "Disconnect"
    explanation = (
        "The connection is closed with code 4503, “disconnected by operator”. The client may connect again at once; "
        "until it does, its calls are held as after any lost connection, and then end."
    )

    def rows(self, text: str) -> dict[str, Any]:
        """Ask every process for its clients."""
        found: Found = async_to_sync(operations.find_clients)(text, MOST_ROWS)
        return {"clients": found.clients, "total": found.total, "silent": found.silent}

    def act(self, request: HttpRequest, name: str, reason: str) -> list[tuple[int, str]]:
        """Disconnect a client."""
        outcome = acts.disconnect(request.user, name, reason)
        # Each sentence begins with a word of ours: the admin writes the first letter of a message large.
        if outcome.was_connected:
            return [(messages.SUCCESS, f"Disconnected {name}.")]
        if outcome.silent:
            return [(messages.ERROR, f"The client {name} was not found, and not every process answered. Try again.")]
        return [(messages.WARNING, f"The client {name} is not connected; nothing was done.")]


@admin.register(Call)
class CallAdmin(LiveAdmin):
    """Lists open calls, and ends one."""

    act_permission = acts.TO_END_CALLS
    verb = "End"
    title = "End call"
    explanation = (
        "Both sides are told that the call has ended, with the reason “operator”. Media flows between them and not "
        "through this server: a client that ignores the message can go on talking."
    )

    def rows(self, text: str) -> dict[str, Any]:
        """Ask the registry for the open calls."""
        try:
            found: OpenCalls = async_to_sync(operations.open_calls)(text, MOST_ROWS)
        except UnavailableError:
            return {"calls": [], "total": 0, "failure": REDIS_IS_AWAY}
        return {"calls": found.calls, "total": found.total}

    def act(self, request: HttpRequest, name: str, reason: str) -> list[tuple[int, str]]:
        """End a call."""
        try:
            acts.end_call(request.user, name, reason)
        except CallNotFoundError:
            return [(messages.WARNING, "There is no such call any more; nothing was done.")]
        except UnavailableError:
            return [(messages.ERROR, REDIS_IS_AWAY)]
        return [(messages.SUCCESS, f"Ended the call {name}.")]
