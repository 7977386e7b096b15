"""Another implementation of what the library's convention says about signatures."""

import base64
import secrets
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.support.people import Person, new_call_id
from webclient.tests.library.clients import Client

FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)
OFFER = (
    "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n"
    f"a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef01234567\r\na=fingerprint:{FINGERPRINT}\r\na=setup:actpass\r\n"
    "a=rtpmap:111 opus/48000/2\r\n"
)


def encoded(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Signer(Person):
    """A client in Python that signs its calls."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__(url, f"{name}-{secrets.token_hex(3)}")
        self.new_key()

    def new_key(self) -> None:
        """Make an identity key in place of the one there was."""
        self.private_key = ec.generate_private_key(ec.SECP256R1())
        self.public_key = encoded(
            self.private_key.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    async def publishes(self) -> None:
        """Put the identity key into the directory."""
        await self.send("PKD_REGISTER", clientId=self.id, publicKey=self.public_key)
        await self.expects("PKD_RESULT", publicKey=self.public_key)

    def signed(self, offer: str, call_id: str, callee: str, fingerprints: list[str] | None = None) -> str:
        """Sign an offer, for these fingerprints or the one of `OFFER`."""
        values = [FINGERPRINT] if fingerprints is None else fingerprints
        text = "\n".join(["securecall-identity-v1", call_id, self.id, callee, "caller", *values])
        r, s = decode_dss_signature(self.private_key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        signature = encoded(r.to_bytes(32) + s.to_bytes(32))
        return offer.replace("m=audio", f"a=x-securecall-identity:{signature}\r\nm=audio")

    async def calls(self, callee: Client[Any], *, is_signed: bool = True, instead: str = "") -> str:
        """Call with a description, and send another one `instead`."""
        call_id = new_call_id()
        offer = self.signed(OFFER, call_id, callee.id) if is_signed else OFFER
        await self.send(
            "CALL_INITIATE",
            targetId=callee.id,
            callId=call_id,
            sdpOffer=offer.replace(FINGERPRINT, instead or FINGERPRINT),
        )
        return call_id
