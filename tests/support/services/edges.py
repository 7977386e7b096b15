"""Real proxies before a server: nginx, HAProxy and Caddy, as docs/proxies.md has them.

They tell it whose request they pass on, and keep the connections behind them open, so that upgrades come late.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from tests.support.services import process
from tests.support.services.process import connects

Header = Literal["x-forwarded-for", "x-real-ip"]


class Edge(NamedTuple):
    """A proxy: its Debian package, its arguments, its configuration, and its line for each header."""

    package: str
    arguments: tuple[str, ...]
    configuration: str
    lines: dict[Header, str]


NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
user root;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  map $http_upgrade $to_upgrade {{ default upgrade; "" ""; }}
  upstream signaling {{ server 127.0.0.1:{to}; keepalive 1; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://signaling;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $to_upgrade;
      proxy_set_header Host {host};
      proxy_set_header X-Forwarded-Proto https;
      {line}
    }}
  }}
}}
"""

HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 60s
  http-reuse always
listen signaling
  bind 127.0.0.1:{port}
  http-request set-header X-Forwarded-Proto https
  {line}
  server one 127.0.0.1:{to}
"""

CADDY = """
{{
  admin off
  auto_https off
}}
http://:{port} {{
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:{to} {{
    header_up X-Forwarded-Proto https
    {line}
  }}
}}
"""

EDGES = {
    "nginx": Edge(
        "nginx-light",
        ("-p", "{folder}", "-c", "{folder}/conf"),
        NGINX,
        {
            "x-forwarded-for": "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
            "x-real-ip": "proxy_set_header X-Real-IP $remote_addr;",
        },
    ),
    "haproxy": Edge(
        "haproxy",
        ("-f", "{folder}/conf"),
        HAPROXY,
        {"x-forwarded-for": "option forwardfor", "x-real-ip": "http-request set-header X-Real-IP %[src]"},
    ),
    "caddy": Edge(
        "caddy",
        ("run", "--config", "{folder}/conf", "--adapter", "caddyfile"),
        CADDY,
        # The first is what it does by itself.
        {"x-forwarded-for": "", "x-real-ip": "header_up X-Real-IP {remote_host}"},
    ),
}


@contextmanager
def edge(name: str, header: Header, port: int, host: str = "$http_host") -> Iterator[int]:
    """Run a proxy before a loopback port while the block runs; yields its own port.

    nginx makes `host` the Host header; by default it stays as it came.
    """
    package, arguments, configuration, lines = EDGES[name]
    program = process.executable(name, package, Path("/usr/sbin"))
    with tempfile.TemporaryDirectory(prefix=f"securecall-{name}-") as folder:
        command = [program, *(argument.format(folder=folder) for argument in arguments)]

        def start_on(own: int) -> tuple[int, process.Running]:
            text = configuration.format(folder=folder, port=own, to=port, host=host, line=lines[header])
            Path(folder, "conf").write_text(text)
            environment = {**os.environ, "HOME": folder, "XDG_DATA_HOME": folder, "XDG_CONFIG_HOME": folder}
            log = Path(folder, "log")
            return own, process.start(command, log, lambda _: connects(own), env=environment)

        own, running = process.on_free_port(start_on)
        try:
            yield own
        finally:
            process.stop(running)
