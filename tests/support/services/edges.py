"""Real proxies before a server: nginx, HAProxy and Caddy, run with the files of deploy/ that operators copy.

They end TLS, tell the server whose request they pass on, and keep the connections behind them open, so that upgrades
come late. What is replaced in a file is what an operator replaces, and what would need more than a test's rights: the
host, the ports and the paths.
"""

import os
import re
import socket
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import trustme

from tests.support.deploy import DEPLOY, replaced
from tests.support.services import process
from tests.support.services.process import free_port

Header = Literal["x-forwarded-for", "x-real-ip"]
NAMES = ("127.0.0.1", "localhost", "*.example.org", "*.example.net")


class Edge(NamedTuple):
    """A running proxy: its port for TLS, its port for http, and the file of the certificate to trust."""

    port: int
    plain_port: int
    root: Path

    @property
    def ws_url(self) -> str:
        """Return the URL that clients connect to."""
        return f"wss://127.0.0.1:{self.port}/signal"

    @property
    def tls(self) -> ssl.SSLContext:
        """Return what a client needs to trust it."""
        return ssl.create_default_context(cafile=self.root)


class Recipe(NamedTuple):
    """A proxy's file: its Debian package and arguments, what stands around the file, and what is replaced in it.

    `real_ip` is the line of the file that says X-Forwarded-For, and one that says X-Real-IP instead.
    """

    file: str
    package: str
    arguments: tuple[str, ...]
    around: str
    replacements: dict[str, str]
    real_ip: tuple[str, str]
    root: str = "root.pem"


# What a distribution's own nginx.conf has around it.
NGINX = """
daemon off;
pid FOLDER/nginx.pid;
error_log FOLDER/error.log;
worker_processes 1;
user root;
events { worker_connections 64; }
http {
  client_body_temp_path FOLDER/body;
  proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi;
  scgi_temp_path FOLDER/scgi;
  RECIPE
}
"""

# Without these it would ask a public authority for a certificate, and for the password to install a root.
CADDY = """
{
  admin off
  local_certs
  skip_install_trust
  http_port PLAIN_PORT
  storage file_system FOLDER
}
RECIPE
"""

RECIPES = {
    "nginx": Recipe(
        "nginx.conf",
        "nginx-light",
        ("-p", "FOLDER", "-c", "FOLDER/conf"),
        NGINX,
        {
            "listen 80;": "listen 127.0.0.1:PLAIN_PORT;",
            "listen [::]:80;": "",
            "listen 443 ssl;": "listen 127.0.0.1:PORT ssl;",
            "listen [::]:443 ssl;": "",
            "/etc/letsencrypt/live/calls.example.com/fullchain.pem": "FOLDER/chain-and-key.pem",
            "/etc/letsencrypt/live/calls.example.com/privkey.pem": "FOLDER/chain-and-key.pem",
            "127.0.0.1:8000": "127.0.0.1:TO",
        },
        (
            "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
            "proxy_set_header X-Real-IP $remote_addr;",
        ),
    ),
    "haproxy": Recipe(
        "haproxy.cfg",
        "haproxy",
        ("-f", "FOLDER/conf"),
        "RECIPE",
        {
            "  user haproxy\n  group haproxy\n  chroot /var/lib/haproxy\n": "",
            ":::80 v4v6": "127.0.0.1:PLAIN_PORT",
            ":::443 v4v6": "127.0.0.1:PORT",
            "/etc/haproxy/certs/calls.example.com.pem": "FOLDER/chain-and-key.pem",
            "127.0.0.1:8000": "127.0.0.1:TO",
        },
        ("option forwardfor", "http-request set-header X-Real-IP %[src]"),
    ),
    "caddy": Recipe(
        "Caddyfile",
        "caddy",
        ("run", "--config", "FOLDER/conf", "--adapter", "caddyfile"),
        CADDY,
        {
            "\n{$DOMAIN:calls.example.com} {": "\nhttps://127.0.0.1:PORT {\nbind 127.0.0.1",
            "127.0.0.1:8000": "127.0.0.1:TO",
        },
        ("reverse_proxy 127.0.0.1:TO", "reverse_proxy 127.0.0.1:TO {\nheader_up X-Real-IP {remote_host}\n}"),
        "pki/authorities/local/root.crt",
    ),
}


@contextmanager
def edge(name: str, header: Header, port: int, host: str = "$http_host") -> Iterator[Edge]:
    """Run a proxy before a loopback port while the block runs.

    nginx makes `host` the Host header; by default it stays as it came.
    """
    recipe = RECIPES[name]
    program = process.executable(name, recipe.package, Path("/usr/sbin"))
    with tempfile.TemporaryDirectory(prefix=f"securecall-{name}-") as text:
        folder = Path(text)
        make_certificate(folder)

        def start_on(own: int) -> tuple[Edge, process.Running]:
            started = Edge(own, free_port(), folder / recipe.root)
            places = {"FOLDER": text, "PLAIN_PORT": str(started.plain_port), "PORT": str(own), "TO": str(port)}
            content = recipe.around.replace("RECIPE", adapted(recipe, header)).replace("$http_host", host)
            (folder / "conf").write_text(filled(content, places))
            command = [program, *(filled(argument, places) for argument in recipe.arguments)]
            environment = {**os.environ, "HOME": text, "XDG_DATA_HOME": text, "XDG_CONFIG_HOME": text}
            return started, process.start(command, folder / "log", partial(answers, started), env=environment)

        started, running = process.on_free_port(start_on)
        try:
            yield started
        finally:
            process.stop(running)


def make_certificate(folder: Path) -> None:
    """Write `root.pem`, and a certificate of it with its chain and key, as files of `folder`."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "root.pem")
    authority.issue_cert(*NAMES).private_key_and_cert_chain_pem.write_to_path(folder / "chain-and-key.pem")


def adapted(recipe: Recipe, header: Header) -> str:
    """Return the text of a recipe's file with its replacements; each has to be found."""
    real_ip = dict([recipe.real_ip]) if header == "x-real-ip" else {}
    return replaced((DEPLOY / recipe.file).read_text(), recipe.replacements | real_ip)


def filled(text: str, places: dict[str, str]) -> str:
    """Put values in the places of the names in capitals."""
    return re.sub(r"\b(FOLDER|PLAIN_PORT|PORT|TO)\b", lambda found: places[found[0]], text)


def answers(started: Edge, _: int) -> bool:
    """Return whether a proxy's certificate is there, and TLS begins with it."""
    try:
        with (
            socket.create_connection(("127.0.0.1", started.port), timeout=5) as plain,
            started.tls.wrap_socket(plain, server_hostname="127.0.0.1"),
        ):
            return True
    except OSError:
        return False
