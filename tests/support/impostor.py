"""A WebSocket server that is none of ours, and speaks wrongly."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from threading import Thread

from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

Speak = Callable[[ServerConnection], None]
Respond = Callable[[str], tuple[HTTPStatus, str] | None]


def healthy(path: str) -> tuple[HTTPStatus, str] | None:
    """Answer the health check as our server does, and take WebSockets everywhere else."""
    return (HTTPStatus.OK, '{"status":"ok"}') if path == "/health" else None


@contextmanager
def impostor(speak: Speak, respond: Respond = healthy) -> Iterator[str]:
    """Answer what `respond` makes of a path, or `speak` on a WebSocket, while the block runs; yields the URL."""

    def process(_: ServerConnection, request: Request) -> Response | None:
        answer = respond(request.path)
        if answer is None:
            return None
        body = answer[1].encode()
        headers = Headers({"Content-Length": str(len(body)), "Connection": "close"})
        return Response(answer[0].value, answer[0].phrase, headers, body)

    with serve(speak, "127.0.0.1", 0, process_request=process, compression=None) as impostors:
        thread = Thread(target=impostors.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{impostors.socket.getsockname()[1]}/signal"
        impostors.shutdown()
        thread.join()
