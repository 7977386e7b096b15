"""Answers of a directory with a public log, changed in every byte, before the Python client's check."""

from tests.support.lies import World, changed_bytes, honest_answer, is_believed
from tools.faults.findings import Finding, at_most


async def lies(step: int = 1) -> list[Finding]:
    """Change an answer to a client with a pin, and one to a client without, and count what is believed."""
    world = World()
    findings = []
    for name, is_pinned in (("a pin", True), ("no pin", False)):
        honest, data, pin = honest_answer(world, is_pinned=is_pinned)
        believed = [is_believed(other, honest, world, pin) for other in changed_bytes(data, step)]
        findings.append(
            at_most(f"Of {len(believed):,} changed answers believed by a client with {name}", sum(believed), 0)
        )
    return findings
