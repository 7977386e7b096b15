#!/bin/bash
# How uvloop takes `happy_eyeballs_delay`, which `loop.create_connection` has had since Python 3.8.
#
# One would guess: a loop that says it is a drop-in replacement of asyncio's takes the documented arguments of
# `create_connection`, or ignores those that only tune it.
# Seen with uvloop 0.23.0: TypeError, "unexpected keyword argument", before anything is tried; `interleave` likewise.
# Why it matters: `uvicorn` runs on uvloop wherever it is installed. A connect that follows RFC 8305 by asyncio's own
# argument works in every test on asyncio, and on such a server never connects at all.
#
# Needs python3 with venv and PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check uvloop==0.23.0
cat >"$folder/try.py" <<'PROGRAM'
import asyncio
import sys

import uvloop


async def attempt(**options):
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, "127.0.0.1", port, **options)
    except TypeError as error:
        return f"TypeError: {error}"
    else:
        transport.close()
        return "connects"
    finally:
        server.close()


def run(new_loop, **options):
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(attempt(**options))


seen = [
    f"{name}, {option}: {run(loop, **{option: value})}"
    for name, loop in (("asyncio", asyncio.new_event_loop), ("uvloop", uvloop.new_event_loop))
    for option, value in (("happy_eyeballs_delay", 0.25), ("interleave", 1))
]
print("\n".join(seen))
sys.exit([line.rpartition(", ")[2].split(": ")[1] for line in seen] != ["connects", "connects", "TypeError", "TypeError"])
PROGRAM
"$folder/venv/bin/python" "$folder/try.py"
