"""The examples of docs/client.md."""

from tests.support.servers import ROOT

PAGE = (ROOT / "docs" / "client.md").read_text()


def example(name: str) -> str:
    """Return the example whose first line is its name as a comment."""
    blocks = PAGE.split("```")[1::2]
    (code,) = [code for _, _, code in (block.partition("\n") for block in blocks) if code.startswith(f"// {name}\n")]
    return code
