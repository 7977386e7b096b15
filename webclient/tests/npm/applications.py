"""Applications of the npm package, built by each bundler, and a server that gives them the demo page's policy."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.servers import ROOT
from webclient.tests.guide import example

PACKAGE = ROOT / "webclient" / "package"
NAME = "securecall-client"
HERE = Path(__file__).parent
HTML = (HERE / "app" / "index.html").read_text()
WORKER_ENTRY = f"timer-worker={NAME}/timer-worker.js"


@dataclass(frozen=True)
class Tools:
    """The pinned tools, installed beside the packed package."""

    folder: Path

    def run(self, program: str, *arguments: str) -> str:
        """Run one of the tools; returns what it said."""
        command = [str(self.folder / "node_modules" / ".bin" / program), *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"
        return done.stdout


def pack(folder: Path) -> Path:
    """Make what npm would publish; returns the file."""
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder)]
    done = subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, check=True)
    return folder / done.stdout.strip()


def install(folder: Path) -> Tools:
    """Install the tools, of the versions in package-lock.json, and the packed package."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    shutil.copytree(HERE / "app", folder / "app")
    subprocess.run(["npm", "ci", "--silent"], cwd=folder, check=True)
    # Not by tarfile, which on Debian's Python 3.11.2 has no filter.
    subprocess.run(["tar", "--extract", "--file", str(pack(folder))], cwd=folder, check=True)
    (folder / "package").rename(folder / "node_modules" / NAME)
    return Tools(folder)


def build(tools: Tools, bundler: str) -> Path:
    """Build the application with a bundler; returns the folder to serve."""
    out = tools.folder / f"dist-{bundler}"
    out.mkdir()
    BUILDS[bundler](tools, out)
    return out


def _plain(tools: Tools, out: Path) -> None:
    shutil.copytree(tools.folder / "node_modules" / NAME, out / NAME)
    script = (HERE / "app" / "app.js").read_text()
    (out / "app.js").write_text(script.replace(f'"{NAME}"', f'"./{NAME}/securecall.js"'))
    (out / "index.html").write_text(HTML)


def _vite(tools: Tools, out: Path) -> None:
    tools.run("vite", "build", "app", "--outDir", str(out), "--emptyOutDir")


def _webpack(tools: Tools, out: Path) -> None:
    tools.run("webpack", "--mode", "production", "--entry", "./app/app.js", "--output-path", str(out))
    (out / "index.html").write_text(HTML.replace('type="module" src="./app.js"', 'defer src="./main.js"'))


def _esbuild(tools: Tools, out: Path) -> None:
    entries = ("app=app/app.js", WORKER_ENTRY)
    tools.run("esbuild", *entries, "--bundle", "--splitting", "--format=esm", f"--outdir={out}")
    (out / "index.html").write_text(HTML)


def _rollup(tools: Tools, out: Path) -> None:
    entries = ("--input", "app=app/app.js", "--input", WORKER_ENTRY)
    tools.run("rollup", *entries, "--plugin", "@rollup/plugin-node-resolve", "--format", "es", "--dir", str(out))
    (out / "index.html").write_text(HTML)


def build_example(tools: Tools, framework: str) -> Path:
    """Build the example of docs/client.md for a framework; returns the folder to serve."""
    out = tools.folder / f"dist-{framework}"
    name, main = EXAMPLES[framework]
    (tools.folder / "app" / name).write_text(example(name))
    options = (
        "--bundle",
        "--splitting",
        "--format=esm",
        "--jsx=automatic",
        '--define:process.env.NODE_ENV="production"',
    )
    tools.run("esbuild", f"app=app/{main}", WORKER_ENTRY, *options, f"--outdir={out}")
    (out / "index.html").write_text(HTML)
    return out


EXAMPLES = {"react": ("Phone.jsx", "react-main.jsx"), "vue": ("phone.js", "vue-main.js")}
BUILDS = {"plain": _plain, "vite": _vite, "webpack": _webpack, "esbuild": _esbuild, "rollup": _rollup}


class _Handler(SimpleHTTPRequestHandler):
    """Serves files with the demo page's policy; the signaling server is the only other place to connect to."""

    signaling = ""

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", f"default-src 'self'; connect-src 'self' {self.signaling}")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path, signaling: str) -> Iterator[str]:
    """Serve a folder while the block runs; gives its URL."""
    handler = type("Handler", (_Handler,), {"signaling": signaling})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/index.html"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
