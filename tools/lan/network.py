"""The address and the ports of a server for one network, and the settings that follow."""

import itertools
import re
import socket
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import NamedTuple, Self

# Nobody's (RFC 5737): the way there says which of this machine's addresses others see. No packet is sent.
ANYWHERE = ("192.0.2.1", 9)
PORTS = {"LAN_PORT": 8443, "LAN_HTTP_PORT": 8080, "PORT": 8000}
LAST_PORT = 65535


class PlaceError(ValueError):
    """A sentence: there is no network, or a variable is wrong."""


class Place(NamedTuple):
    """An address of this machine, and the ports for https, for http and of the server behind."""

    address: str
    port: int
    http_port: int
    server_port: int

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Self:
        """Read LAN_ADDRESS, LAN_PORT, LAN_HTTP_PORT and PORT; raises PlaceError."""
        address = variables.get("LAN_ADDRESS") or address_in_the_network()
        try:
            IPv4Address(address)
        except AddressValueError:
            raise PlaceError(f"LAN_ADDRESS must be an IPv4 address of this machine, not {address!r}.") from None
        ports = {name: _port(variables, name, default) for name, default in PORTS.items()}
        for (one, port), (other, other_port) in itertools.combinations(ports.items(), 2):
            if port == other_port:
                raise PlaceError(f"{one} and {other} must be two ports, not both {port}.")
        return cls(address, *ports.values())

    @property
    def https(self) -> str:
        """Return the origin of the pages."""
        return f"https://{self.address}:{self.port}"

    @property
    def http(self) -> str:
        """Return the origin of the certificate."""
        return f"http://{self.address}:{self.http_port}"

    def variables(self, secret_key: str, folder: Path) -> dict[str, str]:
        """Return what Caddy and the server are started with; DEBUG would show strangers too much."""
        return {
            "LAN_ADDRESS": self.address,
            "LAN_PORT": str(self.port),
            "LAN_HTTP_PORT": str(self.http_port),
            "LAN_FOLDER": str(folder),
            "PORT": str(self.server_port),
            "SECRET_KEY": secret_key,
            "DEBUG": "0",
            "DEMO": "1",
            "ALLOWED_HOSTS": self.address,
            "ALLOWED_ORIGINS": self.https,
            # Caddy, which sets the header itself.
            "TRUSTED_PROXIES": "127.0.0.1/32",
            "CLIENT_ADDRESS_HEADER": "x-forwarded-for",
        }


def address_in_the_network() -> str:
    """Return the address by which this machine's network knows it; raises PlaceError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(ANYWHERE)
        except OSError:
            raise PlaceError("This machine is in no network: set LAN_ADDRESS to the address that phones see.") from None
        address: str = probe.getsockname()[0]
        return address


def _port(variables: Mapping[str, str], name: str, default: int) -> int:
    value = variables.get(name) or str(default)
    if not re.fullmatch("[0-9]{1,5}", value) or not 0 < int(value) <= LAST_PORT:
        raise PlaceError(f"{name} must be a port, from 1 to {LAST_PORT}, not {value!r}.")
    return int(value)
