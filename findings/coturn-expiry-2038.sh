#!/bin/bash
# How late a credential of the TURN REST scheme may expire for coturn.
#
# One would guess: the number in front of the colon of the username is unix time, so any later expiry is good, and a
# credential that should never end gets one far away.
# Seen with coturn 4.6.1, as Debian 12 has it: 2147483647 (2038-01-19T03:14:07Z) is the last expiry that it takes; one
# second later is 401, like a wrong password, and nothing says why.
# Why it matters: whoever mints with a long TTL, or runs in 2038, hands out credentials that are refused. The server
# bounds the TTL and mints nothing later.
#
# Needs coturn from apt and Python 3. Loopback only.
set -euo pipefail
program=$(command -v turnserver)
"$program" --version 2>&1 | head -n 1
folder=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check aioice==0.10.1
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$program" -n --listening-ip=127.0.0.1 --listening-port="$port" --relay-ip=127.0.0.1 --min-port=20000 --max-port=20100 \
  --use-auth-secret --static-auth-secret=secret --realm=example.org --no-tls --no-dtls --no-cli --log-file=stdout \
  --userdb="$folder/users.sqlite" --pidfile="$folder/coturn.pid" >"$folder/log" 2>&1 &
server=$!
cat >"$folder/try.py" <<'END'
import asyncio, base64, hashlib, hmac, sys, time
from aioice.stun import TransactionFailed
from aioice.turn import create_turn_endpoint

EXPECTED = {int(time.time()) - 60: "401", int(time.time()) + 3600: "taken", 2**31 - 1: "taken", 2**31: "401"}


class Peer(asyncio.DatagramProtocol):
    pass


async def answer(port, expiry):
    """"taken", or the error code with which coturn refuses a credential."""
    username = f"{expiry}:alice"
    password = base64.b64encode(hmac.new(b"secret", username.encode(), hashlib.sha1).digest()).decode()
    try:
        endpoint, _ = await create_turn_endpoint(Peer, ("127.0.0.1", port), username, password, transport="tcp")
    except TransactionFailed as refused:
        return str(refused.response.attributes["ERROR-CODE"][0])
    endpoint.close()
    await asyncio.sleep(0.1)  # it gives the allocation back
    return "taken"


async def main(port):
    async with asyncio.timeout(30):
        while True:
            try:
                (await asyncio.open_connection("127.0.0.1", port))[1].close()
                break
            except OSError:
                await asyncio.sleep(0.1)
    changed = 0
    for expiry, expected in EXPECTED.items():
        seen = await answer(port, expiry)
        changed += seen != expected
        print(f"  expires at {expiry}: {seen}" + ("" if seen == expected else f"   CHANGED, was {expected}"))
    sys.exit(1 if changed else 0)


asyncio.run(main(int(sys.argv[1])))
END
"$folder/venv/bin/python" "$folder/try.py" "$port"
