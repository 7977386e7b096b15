"""`manage.py smoke`: tell whether the server at a URL works."""

import asyncio
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from diagnostics.arguments import positive_number, signaling_url
from diagnostics.outcome import Outcome
from diagnostics.smoke.flow import Flow
from diagnostics.smoke.step import Options, Step

TITLE_WIDTH = 44


class Command(BaseCommand):
    """Prints a line a step; the exit status is 0 when every step went well."""

    help = (
        "Take two clients through the whole protocol on a deployed server, and allocate on its TURN servers. "
        "Needs no settings of that server. The client ID smoke-… keeps its public key in the directory: "
        "no message takes one back."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--url", required=True, type=signaling_url, help="such as wss://host/signal")
        parser.add_argument("--timeout", type=positive_number, default=10, help="seconds for each answer (10)")
        parser.add_argument("--origin", help="the Origin to send, as a web page would; none by default, as native apps")
        parser.add_argument("--require-turn", action="store_true", help="fail when the server hands out no TURN server")
        parser.add_argument("--skip-directory", action="store_true", help="publish no key, which leaves nothing behind")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        """Run the steps of the protocol against the server at `--url` and print each; exits with 1 when one failed."""
        steps = asyncio.run(
            self._run(
                Options(
                    options["url"],
                    options["timeout"],
                    options["origin"],
                    requires_turn=options["require_turn"],
                    publishes_key=not options["skip_directory"],
                ),
                prints_lines=not options["json"],
            )
        )
        failed = [step for step in steps if step.outcome is Outcome.FAILED]
        if options["json"]:
            report = {"url": options["url"], "ok": not failed, "steps": [step.as_json() for step in steps]}
            self.stdout.write(json.dumps(report))
        else:
            self._conclude(options["url"], steps, failed)
        if failed:
            sys.exit(1)

    async def _run(self, options: Options, *, prints_lines: bool) -> list[Step]:
        steps = []
        async for step in Flow(options).run():
            steps.append(step)
            if prints_lines:
                self._print(step)
        return steps

    def _print(self, step: Step) -> None:
        took = f"{step.milliseconds:9.1f} ms" if step.milliseconds else ""
        self.stdout.write(f"{step.outcome.label(self.style)} {step.title:<{TITLE_WIDTH}} {took}".rstrip())
        if step.sentence:
            self.stdout.write(f"         {step.sentence}")
        self.stdout.flush()

    def _conclude(self, url: str, steps: list[Step], failed: list[Step]) -> None:
        if failed:
            self.stdout.write(self.style.ERROR(f"\n{url} does not work as it should: see FAILED."))
            return
        milliseconds = sum(step.milliseconds for step in steps)
        self.stdout.write(self.style.SUCCESS(f"\n{url} works: {len(steps)} steps in {milliseconds:.0f} ms."))
