#!/usr/bin/env bash
# SQLite in WAL mode needs a directory for temporary files, although the database and its folder can be written to.
#
# One would guess: with a write-ahead log there is no rollback journal, and a transaction needs to write the database's own
# files (-wal, -shm) alone, so that a container with a read-only root and a writable volume for the database will do.
#
# Python's sqlite3 (the version is printed). Actually: a statement that may have to be undone by itself, inside a savepoint for
# instance, keeps a statement journal, which spills into a temporary file once it is longer than 64 KiB or so. Without a
# directory for it the statement ends with "unable to open database file", which names neither the file nor the reason, and
# short transactions go on working. PRAGMA temp_store = MEMORY keeps it in memory.
#
# Why it matters here: an import of keys is one long transaction with savepoints, and such containers exist.
#
# Runs in a mount namespace of its own (root, or a user who may make one); exits with 1 when the behaviour has changed.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/try.py" <<'PYTHON'
import sqlite3
import sys

print("SQLite", sqlite3.sqlite_version, "of Python", sys.version.split()[0])


def update(temp_store: str) -> str:
    connection = sqlite3.connect("/mnt/db.sqlite3", isolation_level=None)
    connection.executescript(f"PRAGMA journal_mode = WAL; PRAGMA temp_store = {temp_store};")
    connection.executescript("DROP TABLE IF EXISTS t; CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT);")
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO t (text) VALUES (?)", (["x" * 4000] for _ in range(2000)))
    connection.execute("SAVEPOINT a")
    try:
        connection.execute("UPDATE t SET text = text || 'y'")
        connection.execute("RELEASE a")
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        return str(error)
    finally:
        connection.close()
    return "done"


found = {store: update(store) for store in ("DEFAULT", "MEMORY")}
print(found)
sys.exit(found != {"DEFAULT": "unable to open database file", "MEMORY": "done"})
PYTHON
python=$(command -v python3)
namespace=(unshare --mount)
[ "$(id -u)" -eq 0 ] || namespace=(unshare --map-root-user --mount)
env -u TMPDIR -u SQLITE_TMPDIR "${namespace[@]}" bash -c '
set -e
mount --make-rprivate /
mount --bind "$1" /mnt
for directory in /tmp /var/tmp /usr/tmp; do
  if [ -d "$directory" ]; then mount --bind "$directory" "$directory"; mount -o remount,ro,bind "$directory"; fi
done
cd /proc
exec "$2" /mnt/try.py' bash "$folder" "$python"
