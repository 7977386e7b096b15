"""A real nginx and a real HAProxy before a server, on Unix sockets, with the connections behind them kept open."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.services import process

NGINX = """
daemon off;
pid {folder}/nginx.pid;
worker_processes 1;
error_log {folder}/error.log;
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
  upstream signaling {{ server 127.0.0.1:{port}; keepalive 1; }}
  server {{
    listen unix:{path};
    location / {{
      proxy_pass http://signaling;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $to_upgrade;
      proxy_set_header Host $http_host;
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
frontend clients
  bind unix@{path}
  default_backend signaling
backend signaling
  http-reuse always
  server one 127.0.0.1:{port}
"""


@contextmanager
def nginx(port: int) -> Iterator[str]:
    """Run an nginx before a loopback port while the block runs; yields the path of its socket."""
    program = process.executable("nginx", "nginx-light")
    with tempfile.TemporaryDirectory(prefix="securecall-nginx-") as name:
        yield from _run([program, "-p", name, "-c", f"{name}/conf"], NGINX, name, port)


@contextmanager
def haproxy(port: int) -> Iterator[str]:
    """Run an HAProxy likewise."""
    program = process.executable("haproxy", "haproxy")
    with tempfile.TemporaryDirectory(prefix="securecall-haproxy-") as name:
        yield from _run([program, "-f", f"{name}/conf"], HAPROXY, name, port)


def _run(command: list[str], configuration: str, name: str, port: int) -> Iterator[str]:
    path = f"{name}/socket"
    Path(name, "conf").write_text(configuration.format(folder=name, path=path, port=port))
    running = process.start(command, Path(name, "log"), lambda _: _answers(path))
    try:
        yield path
    finally:
        process.stop(running)


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True
