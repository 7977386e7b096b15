"""A private nginx or HAProxy in front of a server's processes; Debian's, installed when it is missing."""

import contextlib
import os
import re
import resource
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.support.servers import ROOT
from tests.support.services.process import free_port
from tools.bench.processes import CLIENT_CORES, HOST, await_port, process
from tools.bench.running import Server

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"  # /usr/sbin is not on every PATH
HAPROXY = shutil.which("haproxy") or "/usr/sbin/haproxy"
SPARE_FILES = 100  # HAProxy's own

NGINX_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
worker_rlimit_nofile {files};
events {{ worker_connections {connections}; }}
http {{
  access_log off;
  {temporary}
  upstream signaling {{
    {servers}
  }}
  server {{
    listen {host}:{port} backlog=4096;
    location / {{
      proxy_pass http://signaling;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
      proxy_set_header Host $http_host;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-Proto https;
      proxy_read_timeout 90s;
    }}
  }}
}}
"""

# As deploy/haproxy.cfg, without TLS: connections to the server are shared, and upgrades may come as second requests.
HAPROXY_CONFIGURATION = """
global
  maxconn {connections}
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 90s
  timeout server 90s
  timeout tunnel 90s
  maxconn {connections}
frontend clients
  bind {host}:{port} backlog 4096
  http-request set-header X-Real-IP %[src]
  default_backend signaling
backend signaling
  http-reuse always
  {servers}
"""


def install_proxies() -> None:
    """Install nginx and HAProxy where they are missing."""
    missing = [Path(program).name for program in (NGINX, HAPROXY) if not Path(program).exists()]
    if missing:
        subprocess.run([ROOT / "scripts" / "apt-install", *missing], check=True)


@contextlib.contextmanager
def nginx(server: Server, folder: Path) -> Iterator[Server]:
    """Put nginx in front of a server's processes; yields the server as its clients see it."""
    port = free_port()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    configuration = NGINX_CONFIGURATION.format(
        folder=folder,
        files=files,
        # Once 15 of 16 are in use nginx closes those whose request has not come.
        connections=2 * files,
        temporary="\n  ".join(f"{name}_temp_path {folder}/nginx-{name};" for name in temporary),
        servers="\n    ".join(f"server {HOST}:{port};" for port in server.ports),
        host=HOST,
        port=port,
    )
    (folder / "nginx.conf").write_text(configuration)
    with _proxy([NGINX, "-c", str(folder / "nginx.conf"), "-e", "stderr"], "nginx", port, folder) as pid:
        yield replace(server, ports=[port], proxy=[pid])


@contextlib.contextmanager
def haproxy(server: Server, folder: Path) -> Iterator[Server]:
    """Put HAProxy in front of a server's processes; yields the server as its clients see it."""
    port = free_port()
    configuration = HAPROXY_CONFIGURATION.format(
        connections=resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2 - SPARE_FILES,  # two files each
        servers="\n  ".join(f"server process-{port} {HOST}:{port}" for port in server.ports),
        host=HOST,
        port=port,
    )
    (folder / "haproxy.cfg").write_text(configuration)
    with _proxy([HAPROXY, "-db", "-f", str(folder / "haproxy.cfg")], "haproxy", port, folder) as pid:
        yield replace(server, ports=[port], proxy=[pid])


@contextlib.contextmanager
def _proxy(command: list[str], name: str, port: int, folder: Path) -> Iterator[int]:
    with process(command, folder, name, CLIENT_CORES, dict(os.environ)) as child:
        await_port(port, child, folder / f"{name}.log")
        yield child.pid


def nginx_version() -> str:
    """Return the version that `nginx -v` prints."""
    printed = subprocess.run([NGINX, "-v"], capture_output=True, text=True, check=True).stderr
    number = re.search(r"nginx/([\d.]+)", printed)
    return number[1] if number else "?"
