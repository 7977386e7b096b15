"""Test vectors: of TRUST.md, and of the Merkle tree by others."""

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def load(name: str) -> dict[str, Any]:
    """Read a file of vectors."""
    vectors: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text())
    return vectors
