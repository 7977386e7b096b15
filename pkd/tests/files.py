"""The directory as a file, whole."""

import json
from typing import Any

from pkd.files.export import FORMATS
from pkd.models import PublicKey


def exported(extension: str = "jsonl") -> str:
    return b"".join(FORMATS[extension].write(PublicKey.objects.all())).decode()


def lines_of(text: str) -> list[dict[str, Any]]:
    """Decode JSON Lines as any other program does: every line ends with LF."""
    *lines, last = text.split("\n")
    assert last == ""
    return [json.loads(line) for line in lines]
