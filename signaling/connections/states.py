"""The states of a connection: an enum, and one table that says which event leads from which state to which.

How it works
------------
A `Connection` is in exactly one state. Everything that happens to it is an event of the table, and a key that the table
does not have is a bug: it raises `KeyError`, which closes the connection with 1011.

                        REGISTER                JOINED
        UNREGISTERED ------------> JOINING ---------------> REGISTERED <---+
              |      <------------    |                     |   |    |     | REJOINED
              |       NOT_JOINED      | LEAVE         LEAVE |   |    +-> REJOINING      (REJOIN)
              | LEAVE                 v                     |   +------> UNWRITABLE     (WRITE_FAILED)
              |             CLOSED_WHILE_JOINING            |                 |
              |                       | JOINED, NOT_JOINED  |                 | LEAVE
              v                       v                     v                 v
              +--------------------> LEAVING <---------------------------------
                                      | RELEASED
                                      v
                                     LEFT

A message from the channel layer is written to the client in REGISTERED alone; in every other state it waits in the
inbox. REJOINING and UNWRITABLE have the client ID as REGISTERED has; in JOINING and LEAVING it moves, in the steps that
`handover` lists.

A close never waits for a REGISTER to be answered, and a REGISTER that is under way cannot be taken back: so a close in
JOINING leads to CLOSED_WHILE_JOINING, and from there to LEAVING when the client ID has been joined or refused.

What a state needs besides its name is a field that is used in that state alone: the future that ends JOINING, the legs
from before REJOINING, the task that runs LEAVING.
"""

from enum import Enum, auto


class ConnectionState(Enum):
    """Where a connection is on its way from the opening handshake to its end."""

    # It has no client ID.
    UNREGISTERED = auto()
    # REGISTER came, and the client ID is on its way to this connection.
    JOINING = auto()
    # The same, and the connection is closed as soon as the client ID is here or refused.
    CLOSED_WHILE_JOINING = auto()
    # It has the client ID, and messages are written as they come.
    REGISTERED = auto()
    # It has the client ID, and the registry may have older messages than those that come now.
    REJOINING = auto()
    # It has the client ID, and its socket takes nothing any more; the close has yet to be heard of.
    UNWRITABLE = auto()
    # It gives the client ID back, if it has one; nothing is written any more.
    LEAVING = auto()
    # It has no client ID and gets none.
    LEFT = auto()


class ConnectionEvent(Enum):
    """An event that leads a connection from one state to another."""

    REGISTER = auto()
    JOINED = auto()
    # The registry is away, or a newer connection has the client ID.
    NOT_JOINED = auto()
    # Redis comes back, or an event was not understood: the registry is asked again.
    REJOIN = auto()
    # It has answered, or is away again.
    REJOINED = auto()
    WRITE_FAILED = auto()
    # The client or the server closes the connection.
    LEAVE = auto()
    # The client ID is given back, or there was none.
    RELEASED = auto()


TRANSITIONS: dict[ConnectionState, dict[ConnectionEvent, ConnectionState]] = {
    ConnectionState.UNREGISTERED: {
        ConnectionEvent.REGISTER: ConnectionState.JOINING,
        ConnectionEvent.LEAVE: ConnectionState.LEAVING,
    },
    ConnectionState.JOINING: {
        ConnectionEvent.JOINED: ConnectionState.REGISTERED,
        ConnectionEvent.NOT_JOINED: ConnectionState.UNREGISTERED,
        ConnectionEvent.LEAVE: ConnectionState.CLOSED_WHILE_JOINING,
    },
    ConnectionState.CLOSED_WHILE_JOINING: {
        ConnectionEvent.JOINED: ConnectionState.LEAVING,
        ConnectionEvent.NOT_JOINED: ConnectionState.LEAVING,
    },
    ConnectionState.REGISTERED: {
        ConnectionEvent.REJOIN: ConnectionState.REJOINING,
        # It joined after the others had begun to rejoin, and is asked with them.
        ConnectionEvent.REJOINED: ConnectionState.REGISTERED,
        ConnectionEvent.WRITE_FAILED: ConnectionState.UNWRITABLE,
        ConnectionEvent.LEAVE: ConnectionState.LEAVING,
    },
    ConnectionState.REJOINING: {
        # Redis went away and came back before the registry had answered.
        ConnectionEvent.REJOIN: ConnectionState.REJOINING,
        ConnectionEvent.REJOINED: ConnectionState.REGISTERED,
        ConnectionEvent.LEAVE: ConnectionState.LEAVING,
    },
    ConnectionState.UNWRITABLE: {
        ConnectionEvent.REJOIN: ConnectionState.REJOINING,
        ConnectionEvent.REJOINED: ConnectionState.REGISTERED,
        ConnectionEvent.LEAVE: ConnectionState.LEAVING,
    },
    ConnectionState.LEAVING: {
        # The registry was asked, or a frame was on its way to the socket, before the connection was closed.
        ConnectionEvent.REJOIN: ConnectionState.LEAVING,
        ConnectionEvent.REJOINED: ConnectionState.LEAVING,
        ConnectionEvent.WRITE_FAILED: ConnectionState.LEAVING,
        ConnectionEvent.RELEASED: ConnectionState.LEFT,
    },
    ConnectionState.LEFT: {
        ConnectionEvent.REJOINED: ConnectionState.LEFT,
    },
}

# The states of a connection that is closed, or will be next.
LEAVING_STATES = (ConnectionState.LEAVING, ConnectionState.LEFT, ConnectionState.CLOSED_WHILE_JOINING)
