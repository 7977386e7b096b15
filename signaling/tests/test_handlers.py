from signaling.handlers import HANDLERS
from signaling.protocol.client_messages import CLIENT_MESSAGES


def test_every_client_message_has_a_handler_that_is_named_after_it() -> None:
    assert {message.type: handler.__name__ for message, handler in HANDLERS.items()} == {
        name: name.lower() for name in CLIENT_MESSAGES
    }
