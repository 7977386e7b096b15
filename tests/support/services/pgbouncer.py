"""A real PgBouncer in transaction mode: what follows a commit may run in another session."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from tests.support.services import process
from tests.support.services.postgres import give_to_owner

CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={to} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
pidfile = {folder}/pid
server_round_robin = 1
"""


@contextmanager
def pgbouncer(url: str, *, size: int = 20) -> Iterator[str]:
    """Run a PgBouncer before the Postgres at `url` while the block runs; yields the URL through it.

    Sessions take turns, so that whoever needs the same one twice in a row does not get it by chance.
    """
    program = process.executable("pgbouncer", "pgbouncer", Path("/usr/sbin"))
    server = urlsplit(url)
    user, password = unquote(server.username or ""), unquote(server.password or "")
    with tempfile.TemporaryDirectory(prefix="securecall-pgbouncer-") as folder:
        Path(folder, "users").write_text(f'"{user}" ""\n')
        Path(folder, "conf").touch()
        as_owner = give_to_owner(Path(folder))

        def start_on(port: int) -> tuple[int, process.Running]:
            text = CONFIGURATION.format(
                folder=folder, to=server.port, user=user, password=password, port=port, size=size
            )
            Path(folder, "conf").write_text(text)
            command = [program, f"{folder}/conf"]
            log = Path(folder, "log")
            return port, process.start(command, log, lambda _: process.connects(port), cwd=folder, **as_owner)

        port, running = process.on_free_port(start_on)
        try:
            yield urlunsplit(server._replace(netloc=f"{server.username}:{server.password}@127.0.0.1:{port}"))
        finally:
            process.stop(running)
