"""Daphne's HTTP request with an end: it keeps a body in memory before anybody is asked whether it is wanted."""

from typing import Any

from daphne.http_protocol import WebRequest
from django.conf import settings

REFUSAL = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class BoundedRequest(WebRequest):  # type: ignore[misc]  # daphne ships no types
    """A request that is answered with 413 and cut off where its body is longer than `LIMIT_HTTP_BODY_BYTES`."""

    _body_bytes = 0

    def __init__(self, *args: Any) -> None:
        """Leave forms to Django: Twisted parses each in memory, nine times its size, while everybody waits."""
        super().__init__(*args, parsePOSTFormSubmission=False)

    def gotLength(self, length: int | None) -> None:  # noqa: N802  # Twisted's name
        """Refuse a length that is known to be too much before a byte of it is read; None: it comes in chunks."""
        super().gotLength(length)
        if length is not None and self._is_too_much(length):
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """Keep a part of the body, up to the cap."""
        self._body_bytes += len(data)
        if self._is_too_much(self._body_bytes):
            self._refuse()
        else:
            super().handleContentChunk(data)

    @staticmethod
    def _is_too_much(size: int) -> bool:
        return 0 < settings.LIMIT_HTTP_BODY_BYTES < size

    def _refuse(self) -> None:
        self.channel.transport.write(REFUSAL)
        # Stops reading, too.
        self.channel.loseConnection()


def bind_requests(factory: Any) -> None:
    """Let daphne's HTTP factory make bounded requests; it has no option for the class."""
    build = factory.buildProtocol

    def build_protocol(address: Any) -> Any:
        channel = build(address)
        channel.requestFactory = BoundedRequest
        return channel

    factory.buildProtocol = build_protocol
