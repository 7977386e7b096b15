"""Parse STUN and TURN URIs (RFC 7064, RFC 7065), and find those that browsers do not use. Pure."""

import re
from dataclasses import dataclass
from ipaddress import ip_address

URL = re.compile(
    r"(?P<scheme>stuns?|turns?):"
    r"(?P<host>[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?:\?transport=(?P<transport>udp|tcp))?"
)
# Browsers read such a host as an IPv4 address (URL Standard, "ends in a number").
NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)")
PLAIN_PORT, TLS_PORT = 3478, 5349  # RFC 7065, section 3.2
LAST_PORT = 65535
FIRST_USER_PORT = 1024

# Fetch Standard, "Port blocking" (https://fetch.spec.whatwg.org/#port-blocking).
BAD_PORTS = frozenset(
    {
        *(1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95),
        *(101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179),
        *(389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636),
        *(989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566),
        *(6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080),
    }
)
# The one of them that Firefox lets STUN and TURN have; Chromium does not.
DNS_PORT = 53
# Below the first user port, Chromium speaks TURN to these alone.
TURN_PORTS = frozenset({80, 443})

ANOTHER_PORT = "Let the server listen on 443, 80, 3478 or 5349, and name that port."


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """The address and the transport of a STUN or TURN server."""

    scheme: str  # stun, stuns, turn or turns
    host: str
    port: int
    transport: str  # udp or tcp

    @classmethod
    def parse(cls, text: str) -> "ServerUrl":
        """Parse a URI, with the defaults of its scheme; raise `ValueError` for anything else."""
        match = URL.fullmatch(text)
        if match is None or (match["transport"] and match["scheme"].startswith("stun")):
            raise ValueError(text)
        host = match["host"].strip("[]")
        if match["host"].startswith("[") and ip_address(host).version == 4:  # noqa: PLR2004  # the version's name
            raise ValueError(text)
        if ":" in host or NUMERIC.fullmatch(host):
            ip_address(host)
        is_tls = match["scheme"].endswith("s")
        port = int(match["port"] or (TLS_PORT if is_tls else PLAIN_PORT))
        if not 0 < port <= LAST_PORT:
            raise ValueError(text)
        return cls(match["scheme"], host, port, match["transport"] or ("tcp" if is_tls else "udp"))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def is_turn(self) -> bool:
        """Return whether this is a TURN server."""
        return self.scheme.startswith("turn")

    @property
    def is_tls(self) -> bool:
        """Return whether the server speaks TLS, or DTLS over UDP."""
        return self.scheme.endswith("s")

    @property
    def has_address(self) -> bool:
        """Return whether the host is an IP address, and no name."""
        return ":" in self.host or bool(NUMERIC.fullmatch(self.host))

    @property
    def way(self) -> str:
        """Return the transport's usual name: TLS, UDP or TCP."""
        return "TLS" if self.is_tls else self.transport.upper()


@dataclass(frozen=True, slots=True)
class Objection:
    """The end of a sentence that begins "TURN_URLS has", and advice: why a browser does not use a URI."""

    sentence: str
    advice: str


def fatal(url: ServerUrl) -> Objection | None:
    """Return why `new RTCPeerConnection` throws in Firefox at this URI, whatever else it gets; None if it does not."""
    if url.scheme == "stuns":
        return Objection(
            "a stuns: URI, which ends every call of Firefox: it throws at one, and Chromium sends plain STUN there.",
            "Write stun: and the port of plain STUN.",
        )
    if url.port in BAD_PORTS and url.port != DNS_PORT:
        return Objection(
            f"port {url.port}, which ends every call of Firefox: browsers block it for web pages, Firefox throws, and "
            "Chromium sends nothing there.",
            ANOTHER_PORT,
        )
    return None


def unused(url: ServerUrl) -> Objection | None:
    """Return which browser accepts this URI and never uses it; None if every one uses it, or it is fatal."""
    if fatal(url):
        return None
    if url.port == DNS_PORT or (url.is_turn and url.port < FIRST_USER_PORT and url.port not in TURN_PORTS):
        return Objection(f"port {url.port}, to which Chromium sends nothing, without a word to anybody.", ANOTHER_PORT)
    if url.scheme == "turns" and url.has_address:
        return Objection(
            "a turns: URI with an address in place of a name, which Firefox leaves out without a word.",
            "Write the name that the server's certificate is for.",
        )
    return None
