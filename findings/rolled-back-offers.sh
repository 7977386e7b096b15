#!/bin/bash
# Whether the peer's offer is taken in place of an own one, when two offers meet.
#
# One would guess: always. W3C webrtc-pc, "perfect negotiation": the polite side calls setRemoteDescription, its own
# offer is rolled back (or it rolls it back itself), and the state is what it was before that offer.
# Seen with firefox-esr 153.8: an offer that restarts ICE is refused ("Remote description indicates ICE restart but
# offer did not request ICE restart") once an own offer was set that does not, also after an explicit rollback, in the
# state "stable"; not if createOffer({iceRestart: true}) was called in between, though nothing was done with the result.
# Seen with chromium 156: an offer is refused whose new m-line is of another kind than the new one of the own offer, as
# both have the same mid ("RTP extension ID reassignment not supported"), also after an explicit rollback.
# Why it matters: a connection that broke while somebody switched the camera on is not mended between Firefoxes; and
# code that was tried with one browser fails with the other.
#
# Needs Debian's firefox-esr and chromium. Loopback only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
dpkg-query --show firefox-esr chromium
cat >"$folder/page.js" <<'END'
async function meet({ restarts, rollsBack, drafts }) {
  const [rude, polite] = [new RTCPeerConnection(), new RTCPeerConnection()];
  const answer = async () => {
    await polite.setRemoteDescription(rude.localDescription);
    await polite.setLocalDescription();
    await rude.setRemoteDescription(polite.localDescription);
  };
  try {
    rude.createDataChannel("x");
    await rude.setLocalDescription();
    await answer();
    polite.addTransceiver("audio");
    await polite.setLocalDescription();
    if (restarts) rude.restartIce();
    else rude.addTransceiver("video");
    await rude.setLocalDescription();
    if (drafts) await polite.createOffer({ iceRestart: true });
    if (rollsBack) await polite.setLocalDescription({ type: "rollback" });
    await answer();
    return "taken";
  } catch (error) {
    return error.name;
  } finally {
    rude.close();
    polite.close();
  }
}

const look = async () => ({
  "an ICE restart": await meet({ restarts: true }),
  "an ICE restart after a rollback": await meet({ restarts: true, rollsBack: true }),
  "an ICE restart after drafting one": await meet({ restarts: true, drafts: true }),
  "another kind of media": await meet({}),
  "another kind of media after a rollback": await meet({ rollsBack: true }),
});
END
cat >"$folder/expected.json" <<'END'
{
  "firefox": {
    "an ICE restart": "InvalidAccessError",
    "an ICE restart after a rollback": "InvalidAccessError",
    "an ICE restart after drafting one": "taken",
    "another kind of media": "taken",
    "another kind of media after a rollback": "taken"
  },
  "chromium": {
    "an ICE restart": "taken",
    "an ICE restart after a rollback": "taken",
    "an ICE restart after drafting one": "taken",
    "another kind of media": "InvalidAccessError",
    "another kind of media after a rollback": "InvalidAccessError"
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
