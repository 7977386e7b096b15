"""Send inputs to a running server, and check that it does with each what RFC 6455 and PROTOCOL.md say.

A client sends a burst of inputs and then a message that the server names in its refusal: when that comes, everything
before it has been handled. Another client is in calls with it, so that what is relayed is read.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from signaling.protocol.fields import MAX_FRAME_BYTES
from tools.fuzz import frames
from tools.fuzz.handshakes import opening
from tools.fuzz.messages import Messages
from tools.fuzz.tally import FoundError, Tally
from tools.fuzz.wire import ClosedError, LostError, Wire

MOST_IN_A_BURST = 24
BURSTS_A_CONNECTION = 8
SLOW_SECONDS = 0.05
# In /proc/<process>/stat, see proc(5). A burst that took long is sent again, input by input, and the time of the
# server's processor is what counts: on a busy machine every clock finds everything slow.
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
MESSAGE_TYPES = frozenset(
    (
        *("REGISTERED", "HEARTBEAT_ACK", "INCOMING_CALL", "CALL_ACCEPTED", "CALL_REJECTED", "CALL_ENDED"),
        *("ICE_CANDIDATE", "PKD_RESULT", "TURN_CREDENTIALS", "ERROR"),
    )
)


class Fuzzer:
    """Makes inputs from a seed, and sends them to the server at `port`, which is the process `process`."""

    def __init__(self, port: int, process: int, seed: int) -> None:
        self._process = process
        self._port = port
        self._dice = Random(seed)
        self._mark = 0
        self._names = f"{seed:x}"
        self.tally = Tally()

    def run(self, count: int, progress: Callable[[Tally], None] = lambda _: None) -> None:
        """Send `count` inputs or a few more; raises `FoundError` with what the server did wrong."""
        while self.tally.total < count:
            if self._dice.random() < 0.3:
                self._shake_hands()
            self._live()
            progress(self.tally)

    def _shake_hands(self) -> None:
        data = opening(self._dice)
        self.tally.inputs["handshake"] += 1
        with Wire(self._port) as wire:
            wire.send(data)
            is_whole = b"\r\n\r\n" in data and not any(
                word in data.lower() for word in (b"content-length", b"transfer-encoding", b"expect")
            )
            if not is_whole:
                return
            try:
                status = wire.head()[:12].decode("latin-1")
            except TimeoutError:
                raise FoundError(f"no answer to the handshake {data!r}") from None
        self.tally.answers[status or "hung up"] += 1
        if status.startswith("HTTP/1.1 500"):
            raise FoundError(f"{status} for the handshake {data!r}")

    def _live(self) -> None:
        """Be a client for a while, and end as badly as it began."""
        own, peer = (f"{role}-{self._names}-{self.tally.total}" for role in ("fuzzer", "peer"))
        # Those of others may be held.
        call_ids = tuple(f"call-{self._names}-{self.tally.total}-{number}" for number in range(1000, 1003))
        messages = Messages(self._dice, own, peer, call_ids)
        with Wire(self._port) as wire, Wire(self._port) as other:
            for client, name in ((wire, own), (other, peer)):
                client.shake_hands()
                if client is other or self._dice.random() < 0.8:
                    client.send(frames.a_frame(self._dice, frames.TEXT, _message("REGISTER", clientId=name)))
            for _ in range(self._dice.randint(1, BURSTS_A_CONNECTION)):
                self._answer_calls(other, call_ids)
                self._burst(wire, [self._input(messages) for _ in range(self._dice.randint(1, MOST_IN_A_BURST))])
                self._settle(other, b"")
            self._end(wire)

    def _answer_calls(self, other: Wire, call_ids: tuple[str, ...]) -> None:
        call_id = self._dice.choice(call_ids)
        kind = self._dice.choice((("CALL_ACCEPT", "sdpAnswer"), ("ICE_CANDIDATE", "candidate"), ("CALL_END", "reason")))
        other.send(frames.a_frame(self._dice, frames.TEXT, _message(kind[0], callId=call_id, **{kind[1]: "x"})))

    def _input(self, messages: Messages) -> bytes:
        kind = self._dice.choices(("message", "control", "binary"), (90, 7, 3))[0]
        self.tally.inputs[kind] += 1
        if kind == "message":
            # What is longer than the transport takes, or no UTF-8, comes with the violations.
            text = messages.text()[: frames.CAP_BYTES].decode(errors="ignore").encode()
            return frames.message(self._dice, text)
        if kind == "control":
            return frames.control(self._dice)
        return frames.message(self._dice, self._dice.randbytes(self._dice.choice((0, 1, 500))), frames.BINARY)

    def _burst(self, wire: Wire, inputs: list[bytes]) -> None:
        seconds = self._settle(wire, b"".join(inputs))
        self.tally.slowest_seconds = max(self.tally.slowest_seconds, seconds)
        if seconds > SLOW_SECONDS:
            for data in inputs:
                self._time(wire, data)

    def _time(self, wire: Wire, data: bytes) -> None:
        self.tally.resent += 1
        began = self._cpu_seconds()
        self._settle(wire, data)
        seconds = self._cpu_seconds() - began
        self.tally.slowest_cpu_seconds = max(self.tally.slowest_cpu_seconds, seconds)
        if seconds > SLOW_SECONDS:
            raise FoundError(f"{seconds * 1000:.0f} ms for {data[:300]!r}")

    def _cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self._process}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / TICKS_A_SECOND

    def _settle(self, wire: Wire, data: bytes) -> float:
        """Send bytes, and wait until they have been handled; returns how long that took."""
        self._mark += 1
        mark = f"MARK-{self._mark}"
        pieces = list(frames.chunks(self._dice, data)) if self._dice.random() < 0.1 and len(data) < 5000 else [data]
        began = time.perf_counter()
        for piece in pieces:
            wire.send(piece)
        wire.send(frames.a_frame(self._dice, frames.TEXT, _message(mark)))
        try:
            while self._answer(wire).get("request") != mark:
                pass
        except ClosedError as error:
            raise FoundError(f"closed with {error.code} after {data[:2000]!r}") from None
        except LostError:
            raise FoundError(f"cut off after {data[:2000]!r}") from None
        except TimeoutError:
            raise FoundError(f"no answer to {data[:2000]!r}") from None
        return time.perf_counter() - began

    def _answer(self, wire: Wire) -> dict[str, str]:
        opcode, payload = wire.frame()
        if opcode == frames.PONG:
            self.tally.answers["pong"] += 1
            return {}
        if opcode == frames.PING:
            # The server asks whether what it relayed has been read; this client never says.
            self.tally.answers["ping"] += 1
            return {}
        if len(payload) > MAX_FRAME_BYTES:
            raise FoundError(f"a frame of {len(payload)} bytes: {payload[:300]!r}")
        try:
            message = json.loads(payload)
            fields: dict[str, str] = message["payload"]
            kind = fields["code"] if message["type"] == "ERROR" else message["type"]
        except (ValueError, KeyError, TypeError):
            raise FoundError(f"no message of the protocol: {payload[:300]!r}") from None
        if opcode != frames.TEXT or message["type"] not in MESSAGE_TYPES:
            raise FoundError(f"no message of the protocol: {payload[:300]!r}")
        self.tally.answers[kind] += 1
        return fields

    def _end(self, wire: Wire) -> None:
        """Break RFC 6455, close as it says, or just go."""
        kind = self._dice.choice(("violation", "violation", "closing", "cut"))
        self.tally.inputs[kind] += 1
        if kind == "cut":
            frame = frames.a_frame(self._dice, frames.TEXT, b"cut short")
            wire.send(frame[: self._dice.randrange(len(frame))])
            return
        last = frames.violation(self._dice) if kind == "violation" else frames.closing(self._dice)
        for piece in frames.chunks(self._dice, last.data) if len(last.data) < 200 else (last.data,):
            wire.send(piece)
        try:
            while True:
                self._answer(wire)
        except ClosedError as error:
            code = error.code
        except LostError:
            raise FoundError(f"cut off, and no {set(last.codes)}, after {last.data[:300]!r}") from None
        except TimeoutError:
            raise FoundError(f"no {set(last.codes)} after {last.data[:300]!r}") from None
        self.tally.closes[code] += 1
        if code not in last.codes:
            raise FoundError(f"{code}, and not {set(last.codes)}, after {last.data[:300]!r}")


def _message(message_type: str, **payload: str) -> bytes:
    return json.dumps({"type": message_type, "payload": payload}).encode()
