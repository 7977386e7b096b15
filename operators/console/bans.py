"""The pages of bans: the list, the form that bans a client ID or a network, and the one that lifts a ban."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from bans import decisions
from bans.decisions import Subject
from bans.models import Ban, in_force
from operators import banning
from operators.banning import TO_BAN
from pkd.admin.parameters import CheckedChangeList
from pkd.admin.read_only import ReadOnly
from pkd.admin.reason import ReasonForm, ReasonPages
from pkd.decisions import NothingToDoError

LIST = "admin:bans_ban_changelist"
REASON_HELP = "Kept with the ban and in the log of the admin; write no address here. The client is not told."
HOUR, DAY = 3600, 86_400
DURATIONS = {
    HOUR: "1 hour",
    DAY: "1 day",
    7 * DAY: "7 days",
    30 * DAY: "30 days",
    365 * DAY: "1 year",
}


class BanForm(ReasonForm):
    """Asks for a client ID or a network, for how long, and for a reason."""

    client_id = forms.CharField(label="Client ID", required=False, max_length=64)
    network = forms.CharField(
        required=False,
        max_length=64,
        help_text="In place of a client ID: an address or a network, such as 203.0.113.7 or 203.0.113.0/24. Of IPv6 "
        "the whole /64 is banned. Many people may share one.",
    )
    lasts = forms.TypedChoiceField(label="For", coerce=int, choices=list(DURATIONS.items()), initial=DAY)
    field_order = ("client_id", "network", "lasts", "reason")

    def clean(self) -> dict[str, Any]:
        """Add the checked `subject`."""
        cleaned = super().clean() or {}
        try:
            subject = decisions.checked_subject(cleaned.get("client_id", ""), cleaned.get("network", ""))
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        return {**cleaned, "subject": subject}


class StateFilter(admin.SimpleListFilter):
    """Keeps the bans in force, or the others."""

    title = "in force"
    parameter_name = "in_force"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        """Return each choice and its label."""
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, _request: HttpRequest, bans: QuerySet[Ban]) -> QuerySet[Ban]:
        """Keep the bans that meet the choice."""
        return {"yes": bans.filter(in_force()), "no": bans.exclude(in_force())}.get(self.value() or "", bans)


@admin.register(Ban)
class BanAdmin(ReadOnly, ReasonPages):
    """Lists bans; nothing is edited: a ban is decided, and may be lifted."""

    list_display = ("banned", "state", "ends_at", "begins_at", "who", "reason")
    list_display_links = None
    list_filter: ClassVar = [StateFilter]
    search_fields: ClassVar = ["client_id", "network"]
    search_help_text = "A part of a client ID, or of a network as it is listed."
    fields: ClassVar = [
        *("client_id", "network", "state", "begins_at", "ends_at", "who", "reason", "lifted_at", "lifted_by")
    ]
    readonly_fields: ClassVar = ["state"]

    def get_urls(self) -> list[URLPattern]:
        """Return the pages' URLs before the others, as a single ban's would match them."""
        wrap = self.admin_site.admin_view
        return [
            path("decide/", wrap(self.decide), name="bans_ban_decide"),
            path("<int:number>/lift/", wrap(self.lift), name="bans_ban_lift"),
            *super().get_urls(),
        ]

    def get_changelist(self, request: HttpRequest, **_options: Any) -> type[CheckedChangeList]:  # noqa: ARG002  # Django's name
        """Return the list."""
        return CheckedChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list, with a link to the form for who may ban."""
        may = {"may_ban": TO_BAN.is_given_to(request.user)}
        return super().changelist_view(request, {**may, **(extra_context or {})})

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns; for who may, the last one links to the page that lifts a ban, and back to this search."""
        shown = super().get_list_display(request)
        if not TO_BAN.is_given_to(request.user):
            return shown

        @admin.display(description="")
        def act(ban: Ban) -> str:
            return _link_to_lift(ban, request.GET.urlencode())

        return [*shown, act]

    @admin.display(description="client ID or network")
    def banned(self, ban: Ban) -> str:
        """Return what the ban is about."""
        return ban.client_id or ban.network

    @admin.display(description="state")
    def state(self, ban: Ban) -> str:
        """Return whether the ban counts now."""
        if ban.lifted_at is not None:
            return "lifted"
        return "in force" if ban.is_in_force else "ended"

    def decide(self, request: HttpRequest) -> HttpResponseBase:
        """Ask for a client ID or a network, a duration and a reason, then ban."""
        _refuse_strangers(request)
        initial = {"client_id": request.GET.get("client_id", "")}
        form = BanForm(request.POST or None, initial=initial, reason_help=REASON_HELP)
        if form.is_valid():
            given = form.cleaned_data
            subject: Subject = given["subject"]
            try:
                banning.ban(request.user, subject, given["lasts"], given["reason"])
            except NothingToDoError as error:
                self.message_user(request, f"Nothing was done: {error}.", messages.WARNING)
            else:
                about = f"the client ID {subject.client_id}" if subject.client_id else f"the network {subject.network}"
                self.message_user(request, f"Banned {about} for {DURATIONS[given['lasts']]}.", messages.SUCCESS)
            return redirect(LIST)
        explanation = (
            "A banned client cannot register: it is told for how long, and closed with code 4503. Of a banned network "
            "no connection is accepted. Who is connected is closed at once, on every process. Open calls end after 30 "
            "seconds here; media flows between the peers and not through this server. The ban ends by itself."
        )
        return self.reason_page(
            request, "console/act.html", form, title="Ban a client ID or a network", verb="Ban", explanation=explanation
        )

    def lift(self, request: HttpRequest, number: int) -> HttpResponseBase:
        """Ask for a reason, then lift a ban."""
        _refuse_strangers(request)
        ban = get_object_or_404(Ban, pk=number)
        form = ReasonForm(request.POST or None, reason_help=REASON_HELP)
        if form.is_valid():
            try:
                banning.lift(request.user, number, form.cleaned_data["reason"])
            except NothingToDoError as error:
                self.message_user(request, f"Nothing was done: the ban is {error}.", messages.WARNING)
            else:
                self.message_user(request, f"Lifted the ban of {self.banned(ban)}.", messages.SUCCESS)
            return redirect(f"{reverse(LIST)}?{request.GET.urlencode()}" if request.GET else LIST)
        return self.reason_page(
            request,
            "console/act.html",
            form,
            title=f"Lift the ban of {self.banned(ban)}",
            verb="Lift",
            explanation="Every process hears of it at once; the client comes back by itself.",
        )


def _link_to_lift(ban: Ban, search: str) -> str:
    """Link to the page that lifts a ban, while it is in force."""
    if not ban.is_in_force:
        return ""
    url = reverse("admin:bans_ban_lift", args=[ban.pk]) + (f"?{search}" if search else "")
    return format_html('<a href="{}" aria-label="Lift the ban of {}">Lift</a>', url, ban.client_id or ban.network)


def _refuse_strangers(request: HttpRequest) -> None:
    if not TO_BAN.is_given_to(request.user):
        raise PermissionDenied
