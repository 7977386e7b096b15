"""Processes on cores of their own, and what each has taken of them."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support.servers import START_SECONDS, run
from tools.bench.connection import BenchError

HOST = "127.0.0.1"

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORES, CLIENT_CORES = (set(CORES[:1]), set(CORES[1:2])) if len(CORES) > 1 else (set(CORES), set(CORES))


def cpu_seconds(process: int) -> float:
    """Return the CPU time of a whole process in ns steps: what clock_getcpuclockid(3) names."""
    return time.clock_gettime((~process << 3) | 2)


def machine_cpu_seconds() -> float:
    """Return the CPU time of all processes on all cores, and of other machines on this one's cores."""
    user, nice, system, _idle, _io_wait, irq, soft_irq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + soft_irq + steal) / os.sysconf("SC_CLK_TCK")


def resident_bytes(process: int) -> int:
    """Return the process' VmRSS."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """Run the block on these cores; what it starts stays there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def process(
    command: list[str], folder: Path, name: str, cores: set[int], environment: Mapping[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command on these cores while the block runs; it is killed, as a stop of 9,800 connections takes time."""
    with contextlib.ExitStack() as stack:
        with on_cores(cores):
            child = stack.enter_context(run(command, folder / f"{name}.log", environment, is_killed=True))
        yield child


def await_port(port: int, child: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until a child listens; raise with the end of its log when it does not."""
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit and child.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.05)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise BenchError(f"{log.stem} did not start:\n{tail}")
