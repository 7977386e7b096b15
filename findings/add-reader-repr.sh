#!/bin/bash
# What asyncio does when a loop is asked to watch a socket that it does not know yet.
#
# One would guess: `loop.add_reader(sock, callback)` looks the descriptor up and registers it; whether the socket or its
# number is passed is a matter of taste.
# Seen with CPython 3.11 (Debian 12): for a socket that is new the loop makes its `repr`, twice, each of which asks the
# kernel for both addresses: the selector's mapping puts it into the text of a KeyError, which is caught at once. With
# the number there is none. CPython 3.13's loop asks the selector without an exception.
# Why it matters: a server that watches each connection by itself pays for it at each; here it was a seventh of the CPU
# of a connect.
#
# Needs Debian's python3 (3.11), or another of 3.11 or 3.12 as PYTHON. No network.
set -euo pipefail
python=${PYTHON:-/usr/bin/python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/try.py" <<'PROGRAM'
import asyncio
import socket
import sys


class Counting(socket.socket):
    shown = 0

    def __repr__(self):
        Counting.shown += 1
        return super().__repr__()


def shown_by(step):
    before = Counting.shown
    step()
    return Counting.shown - before


loop = asyncio.SelectorEventLoop()
sock = Counting(socket.AF_INET, socket.SOCK_STREAM)
seen = {
    "add_reader of a new socket": shown_by(lambda: loop.add_reader(sock, print)),
    "add_reader of the same again": shown_by(lambda: loop.add_reader(sock, print)),
    "remove_reader": shown_by(lambda: loop.remove_reader(sock)),
    "add_reader of its number": shown_by(lambda: loop.add_reader(sock.fileno(), print)),
}
loop.remove_reader(sock.fileno())
sock.close()
loop.close()
expected = {
    "add_reader of a new socket": 2,
    "add_reader of the same again": 0,
    "remove_reader": 0,
    "add_reader of its number": 0,
}
for what, was in seen.items():
    print(f"  {what:<29} {was} × repr" + ("" if was == expected[what] else f"   CHANGED, was {expected[what]}"))
sys.exit(seen != expected)
PROGRAM
"$python" --version
"$python" "$folder/try.py"
