"""Readers of the commands' arguments; each says in a sentence what is wrong with one."""

import argparse
import math
from typing import TypeVar
from urllib.parse import urlsplit

T = TypeVar("T", int, float)


def signaling_url(text: str) -> str:
    """A complete ws:// or wss:// URL."""
    try:
        parts = urlsplit(text)
        # The port is parsed, and refused, on access.
        is_complete = parts.scheme in {"ws", "wss"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_complete = False
    if not is_complete:
        raise argparse.ArgumentTypeError(
            "write a complete URL that starts with ws:// or wss://, such as wss://host/signal"
        )
    return text


def positive_number(text: str) -> float:
    """A number above zero."""
    return _positive(text, float)


def positive_count(text: str) -> int:
    """A whole number above zero."""
    return _positive(text, int)


def _positive(text: str, number: type[T]) -> T:
    try:
        value = number(text)
    except ValueError:
        value = number(0)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"write a {'whole ' if number is int else ''}number above 0")
    return value
