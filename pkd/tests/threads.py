"""What happens at the same time, on a database connection each."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.db import connections


def all_at_once(*tasks: Callable[[], object]) -> list[BaseException | None]:
    """Run each task in a thread and on a connection of its own; returns what each raised."""
    together = threading.Barrier(len(tasks))

    def run(task: Callable[[], object]) -> None:
        try:
            together.wait()
            task()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(tasks)) as threads:
        return [future.exception() for future in [threads.submit(run, task) for task in tasks]]
