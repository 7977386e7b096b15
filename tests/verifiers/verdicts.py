"""What a verifier's program does around its checks: read the cases, and write a verdict for each."""

import json
import sys
from collections.abc import Callable
from typing import Any

Case = dict[str, Any]


def write_verdicts(verifier_of: Callable[[str], Callable[[Case], None]]) -> None:
    """Write for each case nothing, or why it is refused; `verifier_of` makes from a vkey what raises a refusal."""
    given = json.load(sys.stdin)
    verify = verifier_of(given["vkey"])
    verdicts = []
    for case in given["cases"]:
        try:
            verify(case)
        except Exception as error:  # noqa: BLE001  # whatever it raises is a refusal
            verdicts.append(f"{type(error).__name__}: {error}")
        else:
            verdicts.append("")
    json.dump(verdicts, sys.stdout)
