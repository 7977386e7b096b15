"""The first page, its icon, the health check, a request as it is seen, and what is answered where no view answers."""

import msgspec
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from diagnostics.request_report import Seen, is_good, told
from signaling.admission.client_ip import client_address_of, header, is_trusted, parse


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Say what answers here, where no demo page does."""
    return render(request, "securecall_site/home.html")


@require_safe
def icon(_request: HttpRequest) -> HttpResponse:
    """Lead to the icon: browsers ask for it here on pages that name none, and when one is left early."""
    return HttpResponseRedirect(static("webclient/icon.svg"))


# A monitor that posts is told which methods there are, and not that it lacks a token.
@csrf_exempt
@require_safe
def health(_request: HttpRequest) -> JsonResponse:
    """Answer exactly `{"status":"ok"}`, without a database (reference, "REST API")."""
    return JsonResponse({"status": "ok"}, json_dumps_params={"separators": (",", ":")})


@require_safe
def seen(request: HttpRequest) -> HttpResponse:
    """Tell `doctor` how this request of its own is seen; 404 for anybody else."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not is_good(token):
        raise Http404
    peer, named = request.META.get("REMOTE_ADDR", ""), header()
    report = Seen(
        peer=peer,
        is_trusted=is_trusted(parse(peer)),
        header=named,
        counts_for=str(client_address_of(request)),
        is_secure=request.is_secure(),
        headers=told(request.headers.items(), named),
    )
    body = msgspec.json.encode(report)
    return HttpResponse(body, content_type="application/json", headers={"Cache-Control": "no-store"})


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a script with JSON, and a person with a page."""
    if request.path_info.startswith("/api/"):
        return JsonResponse({"detail": "There is no such path."}, status=404)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a script with JSON, and a person with a page; the log has the trace."""
    if request.path_info.startswith("/api/"):
        return JsonResponse({"detail": "The server has a bug, which is in its log."}, status=500)
    return defaults.server_error(request)
