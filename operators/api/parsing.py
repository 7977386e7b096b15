"""The parser of request bodies."""

from collections.abc import Mapping
from typing import IO, Any

import msgspec
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

MAX_BODY_BYTES = 65_536


class TooLargeError(APIException):
    """The body is larger than any that this API accepts."""

    status_code = 413
    default_detail = f"Send a body of up to {MAX_BODY_BYTES:,} bytes."


class JSONParser(BaseParser):
    """Decodes JSON with the protocol's decoder: no NaN, no bad Unicode, no depth that breaks it, and bounded."""

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], _media_type: str | None = None, _context: Mapping[str, Any] | None = None
    ) -> Any:
        """Decode the body; raise `ParseError` or `TooLargeError`."""
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise TooLargeError
        try:
            return msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ParseError("The body is not JSON.") from None
