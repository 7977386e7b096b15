#!/bin/bash
# How Playwright's `wait_for_function` waits for an expression on a page whose policy forbids `unsafe-eval`.
#
# One would guess: an expression that may be asked once on a page may be asked again, as `evaluate` may any number of
# times; a policy that stops it stops it always.
# Seen with Playwright 1.65.2 (Python) and the distribution's Chromium, under `default-src 'self'`: an expression that is
# true at the first look returns; one that is true only later raises EvalError at the second look. A function in its
# place waits as it should.
# Why it matters: pages with a strict policy are what this field ships. A wait for "online" passes on a fast machine and
# fails on a busy one, with an error that blames the page's policy: write such waits as functions.
#
# Needs python3 with venv, PyPI, and chromium.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check playwright==1.65.2
cat >"$folder/try.py" <<'PROGRAM'
import asyncio
import http.server
import shutil
import threading

from playwright.async_api import Error, async_playwright


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Security-Policy", "default-src 'self'")
        self.end_headers()
        self.wfile.write(b"<title>page</title>")

    def log_message(self, *_):
        pass


async def outcome(page, expression):
    await page.evaluate("() => { window.looks = 0; }")
    try:
        await page.wait_for_function(expression, timeout=10_000)
    except Error as error:
        return "EvalError" if "EvalError" in str(error) else str(error).splitlines()[0]
    return "waited"


async def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = await browser.new_page()
        await page.goto(f"http://127.0.0.1:{server.server_port}/")
        print("an expression, true at the first look:", await outcome(page, "++window.looks > 0"))
        print("an expression, true at the third look:", await outcome(page, "++window.looks > 2"))
        print("a function, true at the third look:", await outcome(page, "() => ++window.looks > 2"))
        await browser.close()
    server.shutdown()


asyncio.run(main())
PROGRAM
seen=$("$folder/venv/bin/python" "$folder/try.py")
echo "$seen"
expected="an expression, true at the first look: waited
an expression, true at the third look: EvalError
a function, true at the third look: waited"
[ "$seen" = "$expected" ]
