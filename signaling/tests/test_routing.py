import pytest
from channels.testing import WebsocketCommunicator

from signaling.routing import websocket_application


@pytest.mark.parametrize("path", ["/", "/signals", "/signal//", "/signal/x", "/admin/", "//signal"])
async def test_unknown_path_is_refused(path: str) -> None:
    communicator = WebsocketCommunicator(websocket_application, path)
    assert await communicator.connect() == (False, 1000)
    await communicator.wait()
