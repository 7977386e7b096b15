"""docs/security.md: the review names tests, and these exist."""

import ast
import re
from functools import cache

from tests.support.servers import ROOT

PAGE = (ROOT / "docs/security.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.split("## Review against OWASP ASVS 5.0")[1].splitlines()
    if re.match(r"\| \d", line)
]
NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)
# Asks for documents alone.
WRITTEN = {"14.1.1, 14.1.2"}


@cache
def names_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_review_names_tests_that_exist() -> None:
    assert len(NAMED) > 90
    assert [f"{path}::{name}" for path, name in NAMED if name not in names_in(path)] == []


def test_review_holds_what_it_calls_met() -> None:
    assert {verdict for _, _, verdict, _ in ROWS} == {"met", "partly", "gap", "edge", "clients", "none"}
    unheld = {item for item, _, verdict, how in ROWS if verdict == "met" and "::test_" not in how}
    assert unheld == WRITTEN
