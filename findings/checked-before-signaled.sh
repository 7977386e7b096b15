#!/bin/bash
# Which type a candidate has in the statistics whose check arrived before the candidate was signaled.
#
# One would guess: "prflx" at first, and the peer's own type ("host", "relay") as soon as addIceCandidate brings the
# candidate with the same address and port, as for every other one.
# Seen with firefox-esr 153.8: the candidate stays "prflx" for as long as the connection lives, and what was signaled
# is in no statistics at all; only the remote description has it. Chromium 156 takes over the signaled type.
# Why it matters: a call that goes through the peer's relay looks direct in Firefox (local "host", remote "prflx"), at
# random, more often on a busy device. The remote description's a=candidate line says what it is.
#
# Needs Debian's firefox-esr and chromium. Loopback only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
dpkg-query --show firefox-esr chromium
cat >"$folder/page.js" <<'END'
async function look() {
  const [a, b] = [new RTCPeerConnection(), new RTCPeerConnection()];
  const late = [];
  a.onicecandidate = ({ candidate }) => candidate && b.addIceCandidate(candidate);
  b.onicecandidate = ({ candidate }) => candidate && late.push(candidate);
  const channel = a.createDataChannel("x");
  await a.setLocalDescription();
  await b.setRemoteDescription(a.localDescription);
  const answer = await b.createAnswer();
  await a.setRemoteDescription(answer);
  await b.setLocalDescription(answer);
  await new Promise((resolve) => (channel.onopen = resolve));
  const stats = async () => {
    const all = await a.getStats();
    const transport = [...all.values()].find(({ type }) => type === "transport");
    const remote = all.get(all.get(transport.selectedCandidatePairId).remoteCandidateId);
    return { type: remote.candidateType, port: remote.port };
  };
  const before = await stats();
  for (const candidate of late) await a.addIceCandidate(candidate);
  let after = await stats();
  for (let attempt = 0; attempt < 20 && after.type === "prflx"; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    after = await stats();
  }
  const described = a.remoteDescription.sdp.includes(` ${after.port} typ host`);
  return { "before it is signaled": before.type, "5 s after": after.type, "in the remote description": described };
}
END
cat >"$folder/expected.json" <<'END'
{
  "firefox": {
    "before it is signaled": "prflx",
    "5 s after": "prflx",
    "in the remote description": true
  },
  "chromium": {
    "before it is signaled": "prflx",
    "5 s after": "host",
    "in the remote description": true
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
