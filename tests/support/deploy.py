"""The files of deploy/, with what an operator replaces in them."""

from collections.abc import Mapping

from tests.support.servers import ROOT

DEPLOY = ROOT / "deploy"


def replaced(text: str, replacements: Mapping[str, str]) -> str:
    """Replace parts of a text, in their order; each has to be found."""
    for old, new in replacements.items():
        assert old in text, f"{old!r} is not there"
        text = text.replace(old, new)
    return text
