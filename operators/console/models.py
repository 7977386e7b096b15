"""The models of permissions and of the admin's log. Presence and calls are never stored: there is no table."""

from django.db import models


class Presence(models.Model):
    """A client that is connected now; its ID is the object's in the admin's log."""

    client_id = models.CharField("client ID", max_length=64, primary_key=True)

    class Meta:
        managed = False
        default_permissions = ("view",)
        permissions = [("disconnect_client", "Can disconnect a client")]
        verbose_name = "presence"
        verbose_name_plural = "presence"

    def __str__(self) -> str:
        return self.client_id


class Call(models.Model):
    """A call that is open now; its ID is the object's in the admin's log."""

    call_id = models.CharField("call ID", max_length=64, primary_key=True)

    class Meta:
        managed = False
        default_permissions = ("view",)
        permissions = [("end_call", "Can end a call")]

    def __str__(self) -> str:
        return self.call_id


class PublicRecord(models.Model):
    """The public log as operators see it, on a page of figures."""

    vkey = models.CharField(max_length=400, primary_key=True)

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "public record"
        verbose_name_plural = "public record"

    def __str__(self) -> str:
        return self.vkey
