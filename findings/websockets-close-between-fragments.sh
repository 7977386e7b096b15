#!/bin/bash
# What the `websockets` library makes of a close frame that comes between the fragments of a message.
#
# One would guess: RFC 6455, section 5.4, lets control frames come between fragments, and section 5.5.1 makes no exception
# of the close frame; a ping there is answered, so a close there ends the connection as anywhere, with its code echoed.
# Seen with websockets 17.4: the ping is answered, but the close is a protocol error; the answer is a close 1002,
# "incomplete fragmented message", though `close_exc` has what the client said as well.
# Why it matters: a client that goes while it sends a long message means to go. Here a clean close ends its calls, and any
# other code holds them. The server gives control frames to a protocol of their own.
#
# Needs Python 3. No network but PyPI.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check websockets==17.4
cat >"$folder/try.py" <<'END'
import sys

from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol


def from_client(opcode, payload, fin=True):
    return Frame(opcode, payload, fin).serialize(mask=True)


def answer(*frames):
    protocol = ServerProtocol(state=State.OPEN)
    for frame in frames:
        protocol.receive_data(frame)
    sent = [part for part in protocol.data_to_send() if part]
    return sent[-1] if sent else b""


def close_of(sent):
    return str(Close.parse(sent[2:])) if sent[:1] == b"\x88" else sent.hex()


beginning = from_client(Opcode.TEXT, b"begun", fin=False)
goodbye = from_client(Opcode.CLOSE, Close(1000, "").serialize())
seen = {
    "a ping between fragments": answer(beginning, from_client(Opcode.PING, b"?")).hex(),
    "a close": close_of(answer(goodbye)),
    "a close between fragments": close_of(answer(beginning, goodbye)),
}
expected = {
    "a ping between fragments": "8a013f",
    "a close": "1000 (OK)",
    "a close between fragments": "1002 (protocol error) incomplete fragmented message",
}
for what, was in seen.items():
    print(f"  {what:<26} {was}" + ("" if was == expected[what] else f"   CHANGED, was {expected[what]}"))
sys.exit(seen != expected)
END
"$folder/venv/bin/pip" list --disable-pip-version-check 2>/dev/null | grep -i '^websockets'
"$folder/venv/bin/python" "$folder/try.py"
