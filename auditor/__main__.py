"""The command line of the auditor.

python -m auditor https://HOST/log VKEY --state FILE [--key FILE] [--watch [--every SECONDS]]
python -m auditor newkey NAME --key FILE
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from enum import IntEnum
from pathlib import Path
from typing import TypeVar

from auditor import keys
from auditor.audit import Auditor
from auditor.errors import AuditError, FaultError, NotServedError
from auditor.fetch import HttpSource

T = TypeVar("T")

A_DAY = 24 * 60 * 60


class Exit(IntEnum):
    """How the command ends; 2 is argparse's, for a command line that cannot be."""

    IN_ORDER = 0
    FAULT = 1
    USAGE = 2
    NOT_AUDITED = 3


def main(arguments: Sequence[str] | None = None) -> Exit:
    """Run one command; returns how it ended."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        return _new_key(arguments[1:]) if arguments[:1] == ["newkey"] else _audit(arguments)
    except FaultError as fault:
        print(fault, file=sys.stderr)
        return Exit.FAULT
    except (AuditError, OSError) as error:
        print(error, file=sys.stderr)
        return Exit.NOT_AUDITED


def _audit(arguments: Sequence[str]) -> Exit:
    parser = argparse.ArgumentParser("python -m auditor", description="Audit the public log of a SecureCall server.")
    parser.add_argument("log", metavar="https://HOST/log", type=_of(HttpSource))
    parser.add_argument("vkey", metavar="VKEY", type=_of(lambda text: keys.read_vkey(text, keys.NOTE)))
    parser.add_argument("--state", metavar="FILE", type=Path, required=True, help="what to compare the next run with")
    parser.add_argument(
        "--key", metavar="FILE", type=Path, help="cosign what is in order, as FILE.checkpoint of the state"
    )
    parser.add_argument("--watch", action="store_true", help="go on until a fault is found")
    parser.add_argument(
        "--every", metavar="SECONDS", type=_of(_pause), default=60, help="with --watch: 60 if not given, at most a day"
    )
    options = parser.parse_args(arguments)
    try:
        signing_key = options.key and keys.read_signing_key(options.key.read_text().strip())
    except ValueError as error:
        parser.error(f"{options.key}: {error}")
    auditor = Auditor(options.log, options.vkey, options.state, signing_key, time.time)
    while True:
        try:
            print(auditor.run(), flush=True)
        except NotServedError as error:
            if not options.watch:
                raise
            print(error, file=sys.stderr, flush=True)
        finally:
            options.log.close()
        if not options.watch:
            return Exit.IN_ORDER
        time.sleep(options.every)


def _new_key(arguments: Sequence[str]) -> Exit:
    parser = argparse.ArgumentParser("python -m auditor newkey", description="Make the key that an auditor signs with.")
    parser.add_argument("key", metavar="NAME", type=_of(keys.new_key), help="who signs, like auditor.example.net")
    parser.add_argument("--key", metavar="FILE", dest="file", type=Path, required=True, help="where the key is kept")
    options = parser.parse_args(arguments)
    try:
        descriptor = os.open(options.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        parser.error(f"{options.file} is there; a key that signed is not replaced.")
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{options.key}\n")
    print(options.key.verifying)
    return Exit.IN_ORDER


def _pause(text: str) -> float:
    """Read the seconds between two audits; raises `ValueError`."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= A_DAY:
        raise ValueError(f"Write a number of seconds above 0 and up to {A_DAY}.")
    return seconds


def _of(read: Callable[[str], T]) -> Callable[[str], T]:
    """Let argparse show the sentence of a `ValueError`."""

    def argument(text: str) -> T:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return argument


if __name__ == "__main__":
    sys.exit(main())
