"""A whole Django project in one file: groups, `AsyncJsonWebsocketConsumer`, calls in a dict."""

import os
from typing import Any

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.urls import path

REDIS_URL = os.environ.get("REDIS_URL", "")

settings.configure(
    SECRET_KEY="textbook",  # noqa: S106 - it guards nothing
    ALLOWED_HOSTS=["127.0.0.1"],
    INSTALLED_APPS=["channels"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [REDIS_URL]},
        }
        if REDIS_URL
        else {
            "BACKEND": "channels.layers.InMemoryChannelLayer",
            # The default of 100 would drop messages under load.
            "CONFIG": {"capacity": 1_000_000},
        }
    },
)
django_application = get_asgi_application()


class SignalConsumer(AsyncJsonWebsocketConsumer):
    """One client; its group carries its ID, so that any process can reach it."""

    async def connect(self) -> None:
        """Accept every connection."""
        self.client_id: str | None = None
        self.calls: dict[str, str] = {}
        await self.accept()

    async def disconnect(self, code: int) -> None:  # noqa: ARG002 - Channels' signature
        """Leave the group."""
        if self.client_id:
            await self.channel_layer.group_discard(f"client_{self.client_id}", self.channel_name)

    async def receive_json(self, content: dict[str, Any]) -> None:  # type: ignore[override]
        """Answer or pass on one message."""
        payload = content.get("payload", {})
        match content["type"]:
            case "REGISTER":
                self.client_id = payload["clientId"]
                await self.channel_layer.group_add(f"client_{self.client_id}", self.channel_name)
                await self.send_json({"type": "REGISTERED", "payload": {"clientId": self.client_id}})
            case "HEARTBEAT":
                await self.send_json({"type": "HEARTBEAT_ACK", "payload": {}})
            case "CALL_INITIATE":
                self.calls[payload["callId"]] = payload["targetId"]
                offer = {
                    "callId": payload["callId"],
                    "callerId": self.client_id,
                    "sdpOffer": payload["sdpOffer"],
                }
                await self.relay(payload["targetId"], "INCOMING_CALL", offer)
            case "CALL_ACCEPT":
                await self.relay(self.calls[payload["callId"]], "CALL_ACCEPTED", payload)
            case "ICE_CANDIDATE":
                await self.relay(self.calls[payload["callId"]], "ICE_CANDIDATE", payload)
            case "CALL_END":
                await self.relay(self.calls.pop(payload["callId"]), "CALL_ENDED", payload)

    async def relay(self, client_id: str, kind: str, payload: dict[str, Any]) -> None:
        """Send a message to another client's group."""
        await self.channel_layer.group_send(
            f"client_{client_id}", {"type": "signal.message", "message": {"type": kind, "payload": payload}}
        )

    async def signal_message(self, event: dict[str, Any]) -> None:
        """Hand a message from the group to this client."""
        message = event["message"]
        payload = message["payload"]
        if message["type"] == "INCOMING_CALL":
            self.calls[payload["callId"]] = payload["callerId"]
        elif message["type"] == "CALL_ENDED":
            self.calls.pop(payload["callId"], None)
        await self.send_json(message)


application = ProtocolTypeRouter(
    {"http": django_application, "websocket": URLRouter([path("signal", SignalConsumer.as_asgi())])}
)
