"""A Python client of the signaling server, on asyncio; it knows the server by its protocol alone.

`Client` keeps a client ID registered, makes requests and tells of events. `Connection` is one WebSocket below it. The
messages are in `messages`, what can go wrong in `errors`. docs/protocol.md is the protocol.
"""

from securecall_client.client import Client
from securecall_client.connection import Connection
from securecall_client.errors import ClosedError, ErrorCode, InvalidFrameError, RequestError, SecureCallError
from securecall_client.ids import new_call_id, new_client_id
from securecall_client.messages import (
    CallAccept,
    CallAccepted,
    CallEnd,
    CallEnded,
    CallInitiate,
    CallReject,
    CallRejected,
    ClientMessage,
    Error,
    Heartbeat,
    HeartbeatAck,
    IceCandidate,
    IncomingCall,
    PkdLookup,
    PkdRegister,
    PkdResult,
    Register,
    Registered,
    ServerMessage,
    TurnCredentials,
    TurnCredentialsRequest,
    Unknown,
)
from securecall_client.ownership import Identity, Statement, first_statement
from securecall_client.parts import Candidate, IceServer, ListedStatement, OpenCall, StatementSignatures
from securecall_client.reconnect import BackOff, Loss, NoReconnect, ReconnectPolicy
from securecall_client.registration import Disconnected, Event

__all__ = [
    "BackOff",
    "CallAccept",
    "CallAccepted",
    "CallEnd",
    "CallEnded",
    "CallInitiate",
    "CallReject",
    "CallRejected",
    "Candidate",
    "Client",
    "ClientMessage",
    "ClosedError",
    "Connection",
    "Disconnected",
    "Error",
    "ErrorCode",
    "Event",
    "Heartbeat",
    "HeartbeatAck",
    "IceCandidate",
    "IceServer",
    "Identity",
    "IncomingCall",
    "InvalidFrameError",
    "ListedStatement",
    "Loss",
    "NoReconnect",
    "OpenCall",
    "PkdLookup",
    "PkdRegister",
    "PkdResult",
    "ReconnectPolicy",
    "Register",
    "Registered",
    "RequestError",
    "SecureCallError",
    "ServerMessage",
    "Statement",
    "StatementSignatures",
    "TurnCredentials",
    "TurnCredentialsRequest",
    "Unknown",
    "first_statement",
    "new_call_id",
    "new_client_id",
]
