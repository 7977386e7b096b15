"""How the pages write times."""

from datetime import datetime, timedelta

from django import template
from django.utils import timezone

from signaling.registry import OpenCall

register = template.Library()


@register.filter
def ago(seconds: float) -> datetime:
    """Return the moment that was so many seconds ago."""
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
def participants(call: OpenCall) -> tuple[str, str]:
    """Return the caller and the callee."""
    return call.caller, call.callee
