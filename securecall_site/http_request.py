"""Daphne's HTTP request with an end: it keeps a body in memory before anybody is asked whether it is wanted."""

from typing import Any

from daphne.http_protocol import WebRequest

# Far above what the API takes; an operator's import of keys is the longest body that there is.
BODY_CAP_BYTES = 32 * 1024 * 1024
REFUSAL = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class BoundedRequest(WebRequest):  # type: ignore[misc]  # daphne ships no types
    """A request that is answered with 413 and cut off where its body is longer than `BODY_CAP_BYTES`."""

    _body_bytes = 0

    def gotLength(self, length: int | None) -> None:  # noqa: N802  # Twisted's name
        """Refuse a length that is known to be too much before a byte of it is read; None: it comes in chunks."""
        super().gotLength(length)
        if length is not None and length > BODY_CAP_BYTES:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        """Keep a part of the body, up to the cap."""
        self._body_bytes += len(data)
        if self._body_bytes <= BODY_CAP_BYTES:
            super().handleContentChunk(data)
        else:
            self._refuse()

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
