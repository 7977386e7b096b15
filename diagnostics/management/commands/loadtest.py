"""`manage.py loadtest`: tell how a server at a URL bears many clients and calls."""

import asyncio
import json
import signal
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from diagnostics.arguments import positive_count, positive_number, signaling_url
from diagnostics.loadtest.account import Account
from diagnostics.loadtest.load import Load
from diagnostics.loadtest.plan import Plan, raise_open_files_limit
from diagnostics.loadtest.progress import Progress
from diagnostics.loadtest.report import advice, table

SHOWS_EVERY_SECONDS = 0.2
SECONDS_PER_MINUTE = 60


class Command(BaseCommand):
    """Prints a table; the exit status is 0 when every client connected and every message arrived as it was sent."""

    help = (
        "Connect many clients to a deployed server and let them call at a steady rate; Ctrl-C ends early with the "
        "figures so far. A server limits what one address may do: for the test raise its LIMIT_ settings."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--url", required=True, type=signaling_url, help="such as wss://host/signal")
        parser.add_argument("--clients", type=positive_count, default=100, help="how many connect (100)")
        parser.add_argument("--calls-per-second", type=positive_number, default=5, help="started a second (5)")
        parser.add_argument("--minutes", type=positive_number, default=1, help="how long calls are started (1)")
        parser.add_argument(
            "--connections-per-second", type=positive_number, default=200, help="opened a second, at most (200)"
        )
        parser.add_argument("--timeout", type=positive_number, default=10, help="seconds for an answer or a call (10)")
        parser.add_argument("--origin", help="the Origin to send, as a web page would; none by default, as native apps")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        """Run the load; exits with 1 when it did not go well."""
        clients = options["clients"]
        if (possible := raise_open_files_limit(clients)) is not None:
            raise CommandError(
                f"A process may have {possible:,} connections here: ask for fewer --clients, or raise ulimit -n."
            )
        plan = Plan(
            url=options["url"],
            clients=clients,
            calls_per_second=options["calls_per_second"],
            seconds=options["minutes"] * SECONDS_PER_MINUTE,
            connections_per_second=options["connections_per_second"],
            timeout_seconds=options["timeout"],
            origin=options["origin"],
        )
        account = asyncio.run(self._run(Load(plan)))
        self._print(account, is_json=options["json"])
        if not account.is_well:
            sys.exit(1)

    async def _run(self, load: Load) -> Account:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            load.stop()
            # A second one ends at once.
            loop.remove_signal_handler(signal.SIGINT)

        loop.add_signal_handler(signal.SIGINT, stop)
        # Beside the table or the JSON, which may go into a file.
        progress = Progress(sys.stderr)
        onlooker = asyncio.create_task(self._look_on(load, progress))
        try:
            return await load.run()
        finally:
            onlooker.cancel()
            loop.remove_signal_handler(signal.SIGINT)
            progress.end()

    async def _look_on(self, load: Load, progress: Progress) -> None:
        while True:
            progress.show(*load.progress)
            await asyncio.sleep(SHOWS_EVERY_SECONDS)

    def _print(self, account: Account, *, is_json: bool) -> None:
        if is_json:
            self.stdout.write(json.dumps(account.as_json()))
            return
        for line in table(account):
            self.stdout.write(line)
        for sentence in advice(account):
            self.stdout.write(self.style.WARNING(f"\n{sentence}"))
        if account.is_interrupted:
            self.stdout.write(self.style.WARNING("\nInterrupted: these are the figures so far."))
        verdict = "Everything arrived." if account.is_well else "Not everything went well."
        self.stdout.write((self.style.SUCCESS if account.is_well else self.style.ERROR)(f"\n{verdict}"))
