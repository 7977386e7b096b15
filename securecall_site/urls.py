"""Every HTTP path that the server answers."""

from django.conf import settings
from django.contrib import admin
from django.urls import URLResolver, path
from django.urls.resolvers import RoutePattern
from django.views.generic import RedirectView

from diagnostics import request_report
from operators import metrics
from securecall_site import views
from signaling import operations
from transparency.views import log_urls
from webclient.views import demo

# Loaded by the first request for it: a third of the work of a start, and a tenth of a process' memory, that few need.
API_PATH = "/api/"
API = URLResolver(RoutePattern(API_PATH.removeprefix("/")), "operators.api.urls")

urlpatterns = [
    path("favicon.ico", views.icon, name="icon"),
    path("health", views.health, name="health"),
    path(request_report.PATH.removeprefix("/"), views.seen, name="seen"),
    path("metrics", metrics.metrics, name="metrics"),
    path("admin/", admin.site.urls),
    API,
    *log_urls(operations.log_checkpoint),
]

if settings.DEMO:
    # Whom to call, in the query, is for the demo page.
    urlpatterns += [
        path("", RedirectView.as_view(pattern_name="demo", query_string=True), name="home"),
        path("demo/", demo, name="demo"),
    ]
else:
    urlpatterns += [path("", views.home, name="home")]

handler404 = "securecall_site.views.not_found"
handler500 = "securecall_site.views.server_error"
