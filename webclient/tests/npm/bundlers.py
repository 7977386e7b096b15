"""The npm package in applications: built by each bundler, and run in both browsers under the demo page's policy.

`make package` runs it, and `make faults` with it: it takes two minutes, and gets the tools from the npm registry.
"""

import asyncio
import gzip
import json
import secrets
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.async_api import Browser

from tests.support.servers import RunningServer
from tests.support.services.process import free_port
from webclient.tests.conftest import Site
from webclient.tests.firefox import Firefox
from webclient.tests.npm.applications import (
    BUILDS,
    EXAMPLES,
    NAME,
    Tools,
    build,
    build_example,
    install,
    pack,
    served,
)

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

# What a page loads at once, and that with the calls, which it loads beside its first connection.
CORE_BYTES = 7_300
BYTES_WITH_CALLS = 19_000
START_SECONDS = 60
# Before anything of the application runs.
WATCH = """
  window.warnings = [];
  window.workers = [];
  window.Worker = class extends Worker {
    constructor(url, options) {
      super(url, options);
      workers.push(String(url));
      this.addEventListener("message", () => { window.isTicking = true; });
    }
  };
"""
RUNS = """
new Promise((resolve) => {
  const look = () => {
    const isOnline = window.client?.signaling.state === "online";
    if (isOnline && (window.isTicking || warnings.length)) resolve([warnings, workers]);
    else setTimeout(look, 50);
  };
  look();
})
"""


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """The bundlers, and the package as an application installs it."""
    return install(tmp_path_factory.mktemp("npm"))


async def test_types_and_exports_are_found(tools: Tools, tmp_path: Path) -> None:
    assert "All good!" in tools.run("publint", "--strict", f"node_modules/{NAME}")
    # CommonJS is not promised.
    tools.run("attw", str(pack(tmp_path)), "--profile", "esm-only")


async def test_core_is_small(tools: Tools) -> None:
    """What is loaded at once, compressed as one file; calls, keys and safety numbers come later."""
    tools.run(
        "esbuild", f"core=node_modules/{NAME}/securecall.js",
        "--bundle", "--splitting", "--minify", "--format=esm", "--outdir=core",
    )  # fmt: skip
    core = tools.folder / "core"
    at_once = loaded_by(core / "core.js")
    (calls,) = core.glob("calls-*.js")
    assert compressed_bytes(at_once) <= CORE_BYTES
    assert compressed_bytes(at_once | loaded_by(calls)) <= BYTES_WITH_CALLS


def loaded_by(entry: Path) -> set[Path]:
    """Return a file and those that it imports."""
    imports = {entry.parent / line.split('"')[0] for line in entry.read_text().split('from"./')[1:]}
    return {entry}.union(*(loaded_by(file) for file in imports))


def compressed_bytes(files: set[Path]) -> int:
    """Return how much of a line files take, compressed as one."""
    return len(gzip.compress(b"".join(file.read_bytes() for file in sorted(files))))


@asynccontextmanager
async def vite_dev(tools: Tools, signaling: str) -> AsyncIterator[str]:
    """Vite's development server, which bundles nothing of the application."""
    port = free_port()
    config = tools.folder / "app" / "vite.config.js"
    policy = f"default-src 'self'; connect-src 'self' ws://127.0.0.1:{port} {signaling}"
    settings = {"optimizeDeps": {"exclude": [NAME]}, "server": {"headers": {"Content-Security-Policy": policy}}}
    config.write_text(f"export default {json.dumps(settings)};")
    process = await asyncio.create_subprocess_exec(
        str(tools.folder / "node_modules" / ".bin" / "vite"), "app", "--host", "127.0.0.1", "--port", str(port),
        "--strictPort", cwd=tools.folder, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout
        async with asyncio.timeout(START_SECONDS):
            while b"ready in" not in await process.stdout.readline():
                continue
        yield f"http://127.0.0.1:{port}/index.html"
    finally:
        process.terminate()
        await process.wait()
        config.unlink()


async def run_in_both(url: str, server: RunningServer, chromium: Browser, firefox: Firefox) -> None:
    """Open the application in both browsers: it must register, and its worker must tick."""
    for name in ("chromium", "firefox"):
        query = urlencode({"server": server.ws_url, "name": f"{name}-{secrets.token_hex(3)}"})
        async with AsyncExitStack() as stack:
            page = await (chromium.new_page() if name == "chromium" else firefox.new_page())
            stack.push_async_callback(page.close)
            await page.add_init_script(WATCH)
            await page.goto(f"{url}?{query}")
            async with asyncio.timeout(START_SECONDS):
                warnings, workers = await page.evaluate(RUNS)
        assert (name, warnings) == (name, [])
        assert len(workers) == 1
        assert not workers[0].startswith(("data:", "blob:"))


@pytest.mark.parametrize("bundler", [*BUILDS, "vite-dev"])
async def test_application_runs_built_by(
    bundler: str, tools: Tools, memory_site: Site, chromium: Browser, firefox: Firefox
) -> None:
    signaling = memory_site.here.ws_url
    origin = signaling.removesuffix("/signal")
    if bundler == "vite-dev":
        async with vite_dev(tools, origin) as url:
            await run_in_both(url, memory_site.here, chromium, firefox)
        return
    with served(await asyncio.to_thread(build, tools, bundler), origin) as url:
        await run_in_both(url, memory_site.here, chromium, firefox)


CLICK = """
(label) => new Promise((resolve) => {
  const look = () => {
    const button = [...document.querySelectorAll("button")].find(({ textContent }) => textContent === label);
    if (button) resolve(button.click());
    else setTimeout(look, 50);
  };
  look();
})
"""
IS_ONLINE = """
new Promise((resolve) => {
  const look = () => {
    if (document.body.textContent.includes("Connected to the server.")) resolve();
    else setTimeout(look, 50);
  };
  look();
})
"""
SEES = """
new Promise((resolve) => {
  const look = () => {
    const isSeen = document.querySelector("video").videoWidth > 0;
    if (isSeen && document.body.textContent.includes("In a call with")) resolve();
    else setTimeout(look, 50);
  };
  look();
})
"""


@pytest.mark.parametrize("framework", EXAMPLES)
async def test_example_of_the_guide_calls_in(
    framework: str, tools: Tools, memory_site: Site, chromium: Browser, firefox: Firefox
) -> None:
    server = memory_site.here
    names = [f"{framework}-{secrets.token_hex(3)}" for _ in range(2)]
    folder = await asyncio.to_thread(build_example, tools, framework)
    with served(folder, server.ws_url.removesuffix("/signal")) as url:
        async with AsyncExitStack() as stack, asyncio.timeout(START_SECONDS):
            context = await chromium.new_context(permissions=["camera", "microphone"])
            stack.push_async_callback(context.close)
            alice, bob = await context.new_page(), await firefox.new_page()
            stack.push_async_callback(bob.close)
            for page, (name, peer) in ((bob, names), (alice, names[::-1])):
                await page.goto(f"{url}?{urlencode({'server': server.ws_url, 'name': name, 'peer': peer})}")
            for page in (bob, alice):
                await page.evaluate(IS_ONLINE)
            await alice.evaluate(CLICK, "Call")
            await bob.evaluate(CLICK, "Answer")
            await alice.evaluate(SEES)
            await bob.evaluate(SEES)
