"""A private nginx in front of a server's processes; Debian's, installed when it is missing."""

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

CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
worker_rlimit_nofile {files};
events {{ worker_connections {files}; }}
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


def install_nginx() -> None:
    """Install nginx where it is missing."""
    if not Path(NGINX).exists():
        subprocess.run([ROOT / "scripts" / "apt-install", "nginx"], check=True)


@contextlib.contextmanager
def nginx(server: Server, folder: Path) -> Iterator[Server]:
    """Put nginx in front of a server's processes; yields the server as its clients see it."""
    port = free_port()
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    configuration = CONFIGURATION.format(
        folder=folder,
        files=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        temporary="\n  ".join(f"{name}_temp_path {folder}/nginx-{name};" for name in temporary),
        servers="\n    ".join(f"server {HOST}:{port};" for port in server.ports),
        host=HOST,
        port=port,
    )
    (folder / "nginx.conf").write_text(configuration)
    log = folder / "nginx.log"
    command = [NGINX, "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    with process(command, folder, "nginx", CLIENT_CORES, dict(os.environ)) as child:
        await_port(port, child, log)
        yield replace(server, ports=[port], proxy=[child.pid])


def nginx_version() -> str:
    """Return the version that `nginx -v` prints."""
    printed = subprocess.run([NGINX, "-v"], capture_output=True, text=True, check=True).stderr
    number = re.search(r"nginx/([\d.]+)", printed)
    return number[1] if number else "?"
