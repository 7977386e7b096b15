#!/bin/bash
# What the statistics of a transport count.
#
# One would guess: the bytes. bytesSent and bytesReceived of RTCTransportStats are among the statistics that W3C
# webrtc-pc (section 8.6) makes mandatory, and adding the pairs' up is only needed for history.
# Seen with firefox-esr 153.8: "transport" has its states and the selected pair, but no bytes; only "candidate-pair"
# counts them. Chromium 156 has both.
# Why it matters: rates that are computed from them are NaN in Firefox, without any error. The pair's start again from
# 0 when another pair is selected.
#
# Needs Debian's firefox-esr and chromium. Loopback only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
dpkg-query --show firefox-esr chromium
cat >"$folder/page.js" <<'END'
async function look() {
  const [a, b] = [new RTCPeerConnection(), new RTCPeerConnection()];
  a.onicecandidate = ({ candidate }) => candidate && b.addIceCandidate(candidate);
  b.onicecandidate = ({ candidate }) => candidate && a.addIceCandidate(candidate);
  const channel = a.createDataChannel("x");
  await a.setLocalDescription();
  await b.setRemoteDescription(a.localDescription);
  await b.setLocalDescription();
  await a.setRemoteDescription(b.localDescription);
  await new Promise((resolve) => (channel.onopen = resolve));
  let transport, pair;
  for (let attempt = 0; attempt < 60 && !(pair?.bytesSent > 0 && pair.bytesReceived > 0); attempt++) {
    channel.send("x".repeat(1000));
    await new Promise((resolve) => setTimeout(resolve, 500));
    const stats = await a.getStats();
    transport = [...stats.values()].find(({ type }) => type === "transport");
    pair = stats.get(transport.selectedCandidatePairId);
  }
  const counted = (value) => (value === undefined ? "missing" : value > 0 ? "counted" : value);
  return {
    "transport.bytesSent": counted(transport.bytesSent),
    "transport.bytesReceived": counted(transport.bytesReceived),
    "candidate-pair.bytesSent": counted(pair.bytesSent),
    "candidate-pair.bytesReceived": counted(pair.bytesReceived),
  };
}
END
cat >"$folder/expected.json" <<'END'
{
  "firefox": {
    "transport.bytesSent": "missing",
    "transport.bytesReceived": "missing",
    "candidate-pair.bytesSent": "counted",
    "candidate-pair.bytesReceived": "counted"
  },
  "chromium": {
    "transport.bytesSent": "counted",
    "transport.bytesReceived": "counted",
    "candidate-pair.bytesSent": "counted",
    "candidate-pair.bytesReceived": "counted"
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
