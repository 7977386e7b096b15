#!/bin/bash
# What setConfiguration does with new TURN credentials in the middle of a call.
#
# One would guess: nothing until ICE is restarted. W3C webrtc-pc, setConfiguration: "no action is taken until the next
# gathering phase. If a script wants this to happen immediately, it should do an ICE restart."
# Seen with firefox-esr 153.8 and chromium 156: the next offer restarts ICE, though it was made with iceRestart: false,
# say because a track was added. In Firefox, a change between offer and answer also fires negotiationneeded as soon as
# the answer is set: a call whose credentials are renewed by the message with the answer is negotiated twice.
# Why it matters: credentials of an hour are renewed in most calls, and each later change of a track then takes every
# path anew; between Firefoxes the second negotiation meets the callee's own first one.
#
# Needs Debian's firefox-esr and chromium. Loopback only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
dpkg-query --show firefox-esr chromium
cat >"$folder/page.js" <<'END'
const servers = (credential) => [{ urls: "turn:127.0.0.1:7777?transport=udp", username: "u", credential }];
const quiet = () => new Promise((resolve) => setTimeout(resolve, 500));
const ufrag = ({ sdp }) => /a=ice-ufrag:(.*)/.exec(sdp)[1];

async function renew(when, credential) {
  const [a, b] = [new RTCPeerConnection({ iceServers: servers("old") }), new RTCPeerConnection()];
  let needed = 0;
  a.createDataChannel("x");
  await a.setLocalDescription();
  await quiet();
  a.onnegotiationneeded = () => { needed += 1; };
  if (when === "before the answer") a.setConfiguration({ iceServers: servers(credential) });
  await b.setRemoteDescription(a.localDescription);
  await b.setLocalDescription();
  await a.setRemoteDescription(b.localDescription);
  await quiet();
  if (when === "after the answer") a.setConfiguration({ iceServers: servers(credential) });
  await quiet();
  const offer = await a.createOffer({ iceRestart: false });
  const restarts = ufrag(offer) !== ufrag(a.localDescription);
  a.close();
  b.close();
  return `negotiationneeded ${needed ? "fires" : "does not fire"}, the next offer ${restarts ? "restarts" : "does not restart"} ICE`;
}

async function look() {
  const seen = {};
  for (const when of ["before the answer", "after the answer"]) {
    for (const credential of ["old", "new"]) seen[`${credential} ones ${when}`] = await renew(when, credential);
  }
  return seen;
}
END
cat >"$folder/expected.json" <<'END'
{
  "firefox": {
    "old ones before the answer": "negotiationneeded does not fire, the next offer does not restart ICE",
    "new ones before the answer": "negotiationneeded fires, the next offer restarts ICE",
    "old ones after the answer": "negotiationneeded does not fire, the next offer does not restart ICE",
    "new ones after the answer": "negotiationneeded does not fire, the next offer restarts ICE"
  },
  "chromium": {
    "old ones before the answer": "negotiationneeded does not fire, the next offer does not restart ICE",
    "new ones before the answer": "negotiationneeded does not fire, the next offer restarts ICE",
    "old ones after the answer": "negotiationneeded does not fire, the next offer does not restart ICE",
    "new ones after the answer": "negotiationneeded does not fire, the next offer restarts ICE"
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
