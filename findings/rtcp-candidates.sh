#!/bin/bash
# For which components candidates are gathered.
#
# One would guess: for RTP alone. rtcpMuxPolicy is "require" unless somebody says otherwise (W3C webrtc-pc, section
# 4.2.5), and with it nothing is gathered for RTCP.
# Seen with firefox-esr 153.8: getConfiguration() says "require", and all the same each m-line of media has candidates
# for RTCP (component 2) beside those for RTP. Chromium 156 gathers for RTP alone.
# Why it matters: an offer from Firefox brings twice the candidates, and twice the TURN allocations, that one would
# size rate limits and relays for; nearly every answer then multiplexes, and they were for nothing.
#
# Needs Debian's firefox-esr and chromium. Loopback only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
dpkg-query --show firefox-esr chromium
cat >"$folder/page.js" <<'END'
async function look() {
  const seen = {};
  for (const configuration of [{}, { rtcpMuxPolicy: "require" }]) {
    const rtc = new RTCPeerConnection(configuration);
    const components = new Set();
    const all = new Promise((resolve) => {
      rtc.onicecandidate = ({ candidate }) => {
        if (candidate?.candidate) components.add(candidate.component);
        if (candidate === null) resolve();
      };
    });
    rtc.addTransceiver("audio");
    await rtc.setLocalDescription();
    await all;
    seen[`with ${JSON.stringify(configuration)}`] =
      `policy ${rtc.getConfiguration().rtcpMuxPolicy}, candidates for ${[...components].sort().join(" and ")}`;
  }
  return seen;
}
END
cat >"$folder/expected.json" <<'END'
{
  "firefox": {
    "with {}": "policy require, candidates for rtcp and rtp",
    "with {\"rtcpMuxPolicy\":\"require\"}": "policy require, candidates for rtcp and rtp"
  },
  "chromium": {
    "with {}": "policy require, candidates for rtp",
    "with {\"rtcpMuxPolicy\":\"require\"}": "policy require, candidates for rtp"
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
