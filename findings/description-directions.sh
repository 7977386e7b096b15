#!/bin/bash
# Which direction a browser reads in a remote description, by the events "track".
#
# One would guess, from RFC 8866: a direction before the first m-line holds for each m-line without one of its own
# (section 6.7), names of attributes are compared with their case (the grammar writes %s"recvonly"), and an unknown
# attribute is passed over.
# Seen with firefox-esr 153.8 and chromium 156: both pass over the session's direction and expect media that will not
# come. Firefox reads attributes in capitals as if they were written small; Chromium does not.
# Why it matters: an app that tells people what a caller offers has to read the description itself. Whoever checks or
# signs lines of a description has to know that the two browsers do not agree about which lines count.
#
# Needs Debian's firefox-esr and chromium. Loopback only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
dpkg-query --show firefox-esr chromium
cat >"$folder/page.js" <<'END'
async function look() {
  const offering = new RTCPeerConnection();
  offering.addTransceiver("audio");
  await offering.setLocalDescription();
  const { sdp } = offering.localDescription;
  const silent = sdp.replaceAll("a=sendrecv\r\n", "");
  const spellings = {
    "a=recvonly in the m-line": sdp.replaceAll("a=sendrecv", "a=recvonly"),
    "a=RECVONLY in the m-line": sdp.replaceAll("a=sendrecv", "a=RECVONLY"),
    "a=recvonly in the session": silent.replace("t=0 0\r\n", "t=0 0\r\na=recvonly\r\n"),
    "a=inactive in the session": silent.replace("t=0 0\r\n", "t=0 0\r\na=inactive\r\n"),
  };
  const seen = {};
  for (const [name, spelled] of Object.entries(spellings)) {
    const rtc = new RTCPeerConnection();
    seen[name] = "nothing comes";
    rtc.ontrack = () => (seen[name] = "media comes");
    await rtc.setRemoteDescription({ type: "offer", sdp: spelled });
  }
  return seen;
}
END
cat >"$folder/expected.json" <<'END'
{
  "firefox": {
    "a=recvonly in the m-line": "nothing comes",
    "a=RECVONLY in the m-line": "nothing comes",
    "a=recvonly in the session": "media comes",
    "a=inactive in the session": "media comes"
  },
  "chromium": {
    "a=recvonly in the m-line": "nothing comes",
    "a=RECVONLY in the m-line": "media comes",
    "a=recvonly in the session": "media comes",
    "a=inactive in the session": "media comes"
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
