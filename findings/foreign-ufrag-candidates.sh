#!/bin/bash
# Whether a candidate of another ICE generation is refused.
#
# One would guess: always. addIceCandidate() rejects with an OperationError where usernameFragment is in no m-line of
# the remote description that counts (W3C webrtc-pc, section 4.4.1.6), as it is for a candidate that comes after an ICE
# restart and belongs to the time before it.
# Seen with firefox-esr 153.8 and chromium 156: Firefox rejects. Chromium takes such a candidate, and it stands in the
# remote description from then on. Both take one whose line names another ufrag while the field is left out.
# Why it matters: a candidate that was late, or is sent again on a client's next connection, is an error in one browser
# and a dead path to try in the other; a client must not end a call, or tell anybody, for it.
#
# Needs Debian's firefox-esr and chromium. Loopback only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
dpkg-query --show firefox-esr chromium
cat >"$folder/page.js" <<'END'
const LINE = "candidate:1 1 UDP 2114977791 203.0.113.7 54995 typ host";
async function describe(from, to, options) {
  await from.setLocalDescription(await from.createOffer(options));
  await to.setRemoteDescription(from.localDescription);
  await to.setLocalDescription(await to.createAnswer());
  await from.setRemoteDescription(to.localDescription);
}
const ufragIn = ({ sdp }) => /^a=ice-ufrag:(.+?)\r?$/m.exec(sdp)[1];
async function look() {
  const here = new RTCPeerConnection(), there = new RTCPeerConnection();
  here.createDataChannel("data");
  await describe(here, there);
  const before = ufragIn(there.localDescription);
  await describe(here, there, { iceRestart: true });
  const now = ufragIn(there.localDescription);
  const cases = {
    "the ufrag of now": { usernameFragment: now },
    "the one before the ICE restart": { usernameFragment: before },
    "one never seen": { usernameFragment: "zzzz" },
    "the one before, in the line alone": { candidate: `${LINE} ufrag ${before}` },
  };
  const seen = {};
  for (const [number, [name, init]] of Object.entries(cases).entries()) {
    const candidate = (init.candidate ?? LINE).replace("54995", String(40000 + number));
    const isThere = () => here.remoteDescription.sdp.includes(` ${40000 + number} typ host`);
    try {
      await here.addIceCandidate({ sdpMid: "0", ...init, candidate });
      seen[name] = isThere() ? "taken" : "taken, and left out";
    } catch (error) {
      seen[name] = error.name;
    }
  }
  return seen;
}
END
cat >"$folder/expected.json" <<'END'
{
  "firefox": {
    "the ufrag of now": "taken",
    "the one before the ICE restart": "OperationError",
    "one never seen": "OperationError",
    "the one before, in the line alone": "taken"
  },
  "chromium": {
    "the ufrag of now": "taken",
    "the one before the ICE restart": "taken",
    "one never seen": "taken",
    "the one before, in the line alone": "taken"
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
