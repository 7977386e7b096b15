"""Every HTTP path that the server answers."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from operators import metrics
from securecall_site import views
from webclient.views import demo

urlpatterns = [
    path("health", views.health, name="health"),
    path("metrics", metrics.metrics, name="metrics"),
    path("admin/", admin.site.urls),
    path("api/", include("operators.api.urls")),
]

if settings.DEMO:
    urlpatterns += [path("demo/", demo, name="demo")]

handler404 = "securecall_site.views.not_found"
handler500 = "securecall_site.views.server_error"
