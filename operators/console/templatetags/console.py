"""The dashboard as a tag, so that the admin's own index can hold it, and filters that write times."""

from datetime import datetime, timedelta
from typing import Any

from asgiref.sync import async_to_sync
from django import template
from django.conf import settings
from django.template import RequestContext
from django.utils import timezone

from operators.console.dashboard import describe
from signaling import operations
from signaling.operations import OpenCall
from turn import ice

register = template.Library()


@register.filter
def ago(seconds: float) -> datetime:
    """Return the moment `seconds` ago."""
    return timezone.now() - timedelta(seconds=seconds)


@register.filter
def duration(seconds: float) -> str:
    """Write a duration with its two largest units: 4 s, 2 min 5 s, 3 h 10 min, 2 d 1 h."""
    minutes, rest = divmod(int(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min {rest} s"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min"


@register.filter
def grouped(count: int) -> str:
    """Write a count with its thousands apart."""
    return f"{count:,}"


@register.filter
def participants(call: OpenCall) -> tuple[str, str]:
    """Return the caller and the callee."""
    return call.caller, call.callee


@register.inclusion_tag("console/dashboard.html", takes_context=True)
def dashboard(context: RequestContext) -> dict[str, Any]:
    """Show the dashboard; it names no client, so every operator may see it."""
    overview = async_to_sync(operations.snapshots)()
    shown = describe(overview, has_turn_secret=bool(settings.TURN.secrets), provider=ice.provider_state())
    return {**shown, "perms": context["perms"], "is_paused": context.request.GET.get("refresh") == "off"}
