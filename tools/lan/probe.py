"""A look at what Caddy serves, with its own authority's certificate."""

import hashlib
import ssl
import urllib.request
from pathlib import Path

SECONDS = 5


def answers(url: str, root: Path) -> bool:
    """Return whether an https URL answers with 200 and a certificate of the authority in the file `root`."""
    try:
        context = ssl.create_default_context(cafile=root)
        with urllib.request.urlopen(url, timeout=SECONDS, context=context) as response:  # noqa: S310  # ours
            return int(response.status) == 200  # noqa: PLR2004
    except OSError:
        return False


def fingerprint(root: Path) -> str:
    """Return the SHA-256 fingerprint of a certificate as phones show it."""
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(root.read_text())).hexdigest().upper()
    return " ".join(digest[at : at + 2] for at in range(0, len(digest), 2))
