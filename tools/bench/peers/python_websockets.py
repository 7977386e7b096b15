"""The least a relay on `websockets` can be: a dict of clients, and each message passed on as it came."""

import json
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, serve

clients: dict[str, ServerConnection] = {}


async def relay(connection: ServerConnection) -> None:
    """Serve one client until it goes."""
    client = ""
    try:
        async for text in connection:
            message = json.loads(text)
            if message["type"] == "register":
                client = message["id"]
                clients[client] = connection
                await connection.send('{"type":"registered"}')
            elif message["type"] == "heartbeat":
                await connection.send('{"type":"heartbeat_ack"}')
            elif target := clients.get(message["to"]):
                await target.send(text)
    finally:
        if clients.get(client) is connection:
            del clients[client]


async def main() -> None:
    """Listen until killed."""
    async with serve(relay, "127.0.0.1", int(sys.argv[1]), compression=None, backlog=4096) as server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
