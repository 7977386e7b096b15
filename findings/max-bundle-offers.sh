#!/bin/bash
# What an offer says of its second m-line with bundlePolicy "max-bundle".
#
# One would guess: the policy is about gathering; the offer has a=group:BUNDLE and ports as ever, and port 0 in an
# m-line means that it was rejected, as it has since RFC 3264.
# Seen with firefox-esr 153.8 and chromium 156: Chromium keeps port 9, without a=bundle-only. Firefox writes port 0
# with a=bundle-only (RFC 9143, section 6), in every m-line but the first: an offer, not a rejection.
# Why it matters: whoever looks for port 0 to find out what is offered takes a video call from Firefox for an audio
# call, and never meets the case with Chromium.
#
# Needs Debian's firefox-esr and chromium. Loopback only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
dpkg-query --show firefox-esr chromium
cat >"$folder/page.js" <<'END'
async function look() {
  const rtc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  for (const kind of ["audio", "video"]) rtc.addTransceiver(kind);
  await rtc.setLocalDescription();
  const [, ...sections] = rtc.localDescription.sdp.split(/^m=/m);
  const seen = {};
  for (const section of sections) {
    const [kind, port] = section.split(" ");
    seen[kind] = `port ${port}${section.includes("\na=bundle-only") ? ", bundle-only" : ""}`;
  }
  return seen;
}
END
cat >"$folder/expected.json" <<'END'
{
  "firefox": {
    "audio": "port 9",
    "video": "port 0, bundle-only"
  },
  "chromium": {
    "audio": "port 9",
    "video": "port 9"
  }
}
END
cat >"$folder/ask.py" <<'END'
import http.server, json, os, queue, subprocess, sys, tempfile, threading

PAGE = open(sys.argv[1]).read()
EXPECTED = json.load(open(sys.argv[2]))
PREFERENCES = {
    "network.dns.disabled": True, "network.proxy.type": 0, "app.update.disabledForTesting": True,
    "datareporting.policy.dataSubmissionEnabled": False, "browser.startup.homepage_override.mstone": "ignore",
    "termsofuse.bypassNotification": True, "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
}
answers = queue.Queue()


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        run = "fetch('/', {method: 'POST', body: JSON.stringify(await look().catch((e) => String(e)))})"
        self.wfile.write(f"<script type=module>{PAGE}\n{run};</script>".encode())

    def do_POST(self):
        answers.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def ask(browser, url, profile):
    if browser == "firefox":
        with open(f"{profile}/user.js", "w") as file:
            file.writelines(f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in PREFERENCES.items())
        command = ["firefox-esr", "--headless", "--no-remote", "--profile", profile, url]
    else:
        options = ["--disable-background-networking", "--allow-loopback-in-peer-connection"]
        command = ["chromium", "--headless", "--no-sandbox", *options, f"--user-data-dir={profile}", url]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    bound = ["setpriv", "--pdeathsig", "TERM", *command]
    running = subprocess.Popen(bound, env=os.environ | {"HOME": profile}, **quiet)
    try:
        return answers.get(timeout=120)
    finally:
        running.terminate()
        running.wait()


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
threading.Thread(target=server.serve_forever, daemon=True).start()
changed = 0
for browser, expected in EXPECTED.items():
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        seen = ask(browser, f"http://127.0.0.1:{server.server_port}/", profile)
    print(f"{browser}:")
    if not isinstance(seen, dict):
        seen = {"failed": seen}
    for name in seen | expected:
        same = seen.get(name) == expected.get(name)
        changed += not same
        print(f"  {name}: {seen.get(name)}" + ("" if same else f"   CHANGED, was {expected.get(name)}"))
sys.exit(1 if changed else 0)
END
python3 "$folder/ask.py" "$folder/page.js" "$folder/expected.json"
