"""The demo page."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

MILLISECONDS = 1000


@require_safe
def demo(request: HttpRequest) -> HttpResponse:
    """Show the page; its script reads `?name=` and `?call=` from the address by itself."""
    # Half of the timeout: one lost heartbeat is no reason to lose the connection.
    heartbeat_interval_ms = round(settings.TIMEOUTS.heartbeat_seconds * MILLISECONDS / 2)
    context = {"heartbeat_interval_ms": heartbeat_interval_ms, "directory_name": settings.DIRECTORY_NAME}
    return render(request, "webclient/demo.html", context)
