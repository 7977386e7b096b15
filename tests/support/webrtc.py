"""A WebRTC peer that knows the messages of the reference, and of their extra fields only `iceServers`."""

import asyncio
from typing import Any, Self

from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamTrack
from aiortc.rtcconfiguration import RTCIceTransportPolicy
from aiortc.sdp import candidate_from_sdp

from tests.support.client import Client

MESSAGE_SECONDS = 10
CONNECT_SECONDS = 20


class Peer:
    """A client with a microphone: `async with Peer(url, "alice") as alice`.

    It may use relays only, as in a network that lets nothing else through.
    """

    def __init__(self, url: str, client_id: str) -> None:
        self.id = client_id
        self.sent_candidates: list[str] = []
        self.received_candidates: list[str] = []
        self.client = Client(url)
        self._rtc: RTCPeerConnection | None = None
        self._call_id = ""
        self._incoming_track: asyncio.Future[MediaStreamTrack] = asyncio.get_running_loop().create_future()
        self.connected = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.client.__aenter__()
        await self.client.send("REGISTER", clientId=self.id)
        registered = await self.client.expects("REGISTERED", clientId=self.id)
        self._rtc = self._new_connection(registered["iceServers"])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.rtc.close()
        await self.client.close()

    @property
    def rtc(self) -> RTCPeerConnection:
        """The media's side of it."""
        assert self._rtc is not None
        return self._rtc

    async def publishes(self, public_key: str) -> None:
        """Put a key into the directory."""
        await self.client.send("PKD_REGISTER", clientId=self.id, publicKey=public_key)
        await self.client.expects("PKD_RESULT", clientId=self.id, publicKey=public_key)

    async def finds(self, client_id: str) -> str:
        """Look up a client's key."""
        await self.client.send("PKD_LOOKUP", clientId=client_id)
        key: str = (await self.client.expects("PKD_RESULT", clientId=client_id))["publicKey"]
        return key

    async def calls(self, callee: "Peer") -> None:
        """Call another peer, who accepts, and exchange candidates, until both are connected."""
        self.rtc.addTrack(AudioStreamTrack())
        await self.rtc.setLocalDescription(await self.rtc.createOffer())
        offer, candidates = split(self.rtc.localDescription.sdp)
        await self.client.send("CALL_INITIATE", targetId=callee.id, sdpOffer=offer)
        theirs = await callee.picks_up()
        accepted = await self.client.expects("CALL_ACCEPTED", seconds=MESSAGE_SECONDS)
        self._call_id = accepted["callId"]
        await self.rtc.setRemoteDescription(RTCSessionDescription(accepted["sdpAnswer"], "answer"))
        await asyncio.gather(
            self.trickles(candidates), callee.trickles(theirs), self.takes_candidates(), callee.takes_candidates()
        )
        async with asyncio.timeout(CONNECT_SECONDS):
            await self.connected.wait()
            await callee.connected.wait()

    async def picks_up(self) -> list[str]:
        """Accept the call that comes; returns the candidates still to be sent."""
        incoming = await self.client.expects("INCOMING_CALL", seconds=MESSAGE_SECONDS)
        self._call_id = incoming["callId"]
        await self.rtc.setRemoteDescription(RTCSessionDescription(incoming["sdpOffer"], "offer"))
        self.rtc.addTrack(AudioStreamTrack())
        await self.rtc.setLocalDescription(await self.rtc.createAnswer())
        answer, candidates = split(self.rtc.localDescription.sdp)
        await self.client.send("CALL_ACCEPT", callId=self._call_id, sdpAnswer=answer)
        return candidates

    async def hears(self, frames: int) -> None:
        """Wait for frames of the other's sound."""
        async with asyncio.timeout(CONNECT_SECONDS):
            track = await self._incoming_track
            for _ in range(frames):
                await track.recv()

    async def hangs_up(self, peer: "Peer") -> None:
        """End the call for both."""
        await self.client.send("CALL_END", callId=self._call_id)
        await peer.client.expects("CALL_ENDED", callId=self._call_id)

    def selected_pair(self) -> tuple[str, str]:
        """Which kinds of candidates carry the sound: this side's, and the other's as this side knows it."""
        (transceiver,) = self.rtc.getTransceivers()
        # aiortc's getStats does not tell of candidate pairs.
        pair = transceiver.sender.transport.transport._connection._nominated[1]  # noqa: SLF001
        return pair.local_candidate.type, pair.remote_candidate.type

    def _new_connection(self, ice_servers: list[dict[str, Any]]) -> RTCPeerConnection:
        configuration = RTCConfiguration(
            iceServers=[RTCIceServer(**entry) for entry in ice_servers],
            iceTransportPolicy=RTCIceTransportPolicy.RELAY,
        )
        rtc = RTCPeerConnection(configuration)
        rtc.on("track", self._incoming_track.set_result)

        def notice() -> None:
            if rtc.connectionState == "connected":
                self.connected.set()

        rtc.on("connectionstatechange", notice)
        return rtc

    async def trickles(self, candidates: list[str]) -> None:
        """Send candidates one by one, and that there are no more."""
        for candidate in (*candidates, ""):
            self.sent_candidates.append(candidate)
            await self.client.send("ICE_CANDIDATE", callId=self._call_id, candidate=candidate)

    async def takes_candidates(self) -> None:
        """Take the other's candidates until there are no more."""
        while True:
            message = await self.client.expects("ICE_CANDIDATE", seconds=MESSAGE_SECONDS, callId=self._call_id)
            line = message["candidate"]
            self.received_candidates.append(line)
            if not line:
                break
            candidate = candidate_from_sdp(line.removeprefix("candidate:"))
            candidate.sdpMLineIndex = 0
            await self.rtc.addIceCandidate(candidate)
        await self.rtc.addIceCandidate(None)


def split(sdp: str) -> tuple[str, list[str]]:
    """A description without its candidates, and those of them that are relayed; aiortc gathers first."""
    lines = sdp.splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(("a=candidate:", "a=end-of-candidates"))]
    candidates = [line.removeprefix("a=").strip() for line in lines if line.startswith("a=candidate:")]
    return "".join(kept), [candidate for candidate in candidates if " typ relay" in candidate]
