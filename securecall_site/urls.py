"""Every HTTP path that the server answers."""

from django.contrib import admin
from django.urls import include, path

from securecall_site import views

urlpatterns = [
    path("health", views.health, name="health"),
    path("admin/", admin.site.urls),
    path("api/", include("securecall_site.api")),
]
