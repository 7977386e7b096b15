"""A bot that answers every call and says back what it hears and shows what it sees, with aiortc.

python -m securecall_client.examples.answering_bot ws://127.0.0.1:8000/signal echo

Then call `echo` on the demo page; names behind `echo` are those of clients that the bot calls first. It needs
`pip install aiortc`. A call goes on while the connection to the server is away: its media flow peer to peer, and the
client registers again by itself.
"""

import asyncio
import sys
from collections.abc import Sequence

from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay
from aiortc.sdp import candidate_from_sdp

from securecall_client import (
    CallAccepted,
    CallEnded,
    CallRejected,
    Client,
    IceCandidate,
    IceServer,
    IncomingCall,
    OpenCall,
    Registered,
    RequestError,
    new_call_id,
)


def configuration(servers: Sequence[IceServer]) -> RTCConfiguration:
    """Use the relays that the server tells of."""
    return RTCConfiguration([RTCIceServer(each.urls, each.username, each.credential) for each in servers])


class Bot:
    """Answers calls, and keeps the media of those that stand."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._calls: dict[str, RTCPeerConnection] = {}
        self._ice_servers: Sequence[IceServer] = []

    async def run(self, called: Sequence[str] = ()) -> None:
        """Call who is named, and answer calls until the client is registered elsewhere."""
        async for event in self._client:
            match event:
                case Registered(calls=standing):
                    self._ice_servers = event.ice_servers
                    await self._end_older(standing or ())
                    sys.stdout.write(f"{self._client.id} answers calls.\n")
                    sys.stdout.flush()
                    for target_id in called:
                        await self._call(target_id)
                    called = ()
                case IncomingCall():
                    await self._answer(event)
                case IceCandidate(call_id=call_id, candidate=str(line)) if line and call_id in self._calls:
                    await add_candidate(self._calls[call_id], line)
                case CallAccepted(call_id=call_id) if call_id in self._calls:
                    answer = RTCSessionDescription(event.sdp_answer, "answer")
                    await self._calls[call_id].setRemoteDescription(answer)
                case CallEnded(call_id=call_id) | CallRejected(call_id=call_id) if call_id in self._calls:
                    await self._calls.pop(call_id).close()

    async def _call(self, target_id: str) -> None:
        rtc = RTCPeerConnection(configuration(self._ice_servers))
        sender = rtc.addTransceiver("audio").sender
        relay = MediaRelay()
        rtc.on("track", lambda track: sender.replaceTrack(relay.subscribe(track)))
        await rtc.setLocalDescription(await rtc.createOffer())
        call_id = new_call_id()
        self._calls[call_id] = rtc
        await self._client.call(target_id, rtc.localDescription.sdp, call_id)

    async def _answer(self, call: IncomingCall) -> None:
        rtc = self._calls[call.call_id] = RTCPeerConnection(configuration(call.ice_servers))
        relay = MediaRelay()
        rtc.on("track", lambda track: rtc.addTrack(relay.subscribe(track)))
        await rtc.setRemoteDescription(RTCSessionDescription(call.sdp_offer, "offer"))
        await rtc.setLocalDescription(await rtc.createAnswer())
        try:
            # aiortc has gathered by now, so the answer has all candidates.
            await self._client.accept(call.call_id, rtc.localDescription.sdp)
        except RequestError:
            # The caller gave up.
            await self._calls.pop(call.call_id).close()

    async def _end_older(self, standing: Sequence[OpenCall]) -> None:
        """End the calls of a bot before this one, whose media went with it; those of this one go on."""
        for call in standing:
            if call.call_id not in self._calls and call.state == "active":
                await self._client.end(call.call_id)


async def add_candidate(rtc: RTCPeerConnection, line: str) -> None:
    """Add one of a page's candidates: it sends lines for the first m-line, with which all others are bundled."""
    candidate = candidate_from_sdp(line.removeprefix("candidate:"))
    candidate.sdpMLineIndex = 0
    await rtc.addIceCandidate(candidate)


async def main(url: str, client_id: str, *called: str) -> None:
    """Register, call who is named, and answer calls."""
    async with Client(url, client_id) as client:
        await Bot(client).run(called)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
