#!/bin/bash
# How the WebSocket of a runtime outside browsers says that its connection is lost.
#
# One would guess: as in a browser, by "error" and then "close" with the code 1006, for a connection that drops and for a
# handshake that is refused (WHATWG WebSockets, "when the WebSocket connection is closed"; RFC 6455, section 7.1.5).
# Seen with deno 2.9.6 and bun 1.4.5 (npm): in deno the code is 0, in bun a connection drops without "error". undici
# 7.30.2, as Node has it, does what browsers do. A close frame's code and reason are told by all three.
# Why it matters: a client that reconnects on 1006 stays away in deno; one that reconnects on "error" stays away in
# bun. Reconnect on every "close", whatever its code.
#
# Needs node and npm. Loopback only, but for the download.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $server 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund ws@8.23.0 undici@7.30.2 bun@1.4.5 deno@2.9.6 >/dev/null 2>&1
cat >server.mjs <<'END'
import http from "node:http";
import { WebSocketServer } from "ws";

const sockets = new WebSocketServer({ noServer: true });
const server = http.createServer();
server.on("upgrade", (request, socket, head) => {
  if (request.url === "/refused") {
    socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    return;
  }
  sockets.handleUpgrade(request, socket, head, (connection) => {
    if (request.url === "/closed") connection.close(1012, "restart");
    else socket.destroy();
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
END
cat >ask.mjs <<'END'
const [port] = globalThis.Deno?.args ?? process.argv.slice(2);
const { WebSocket } = globalThis.Deno || globalThis.Bun ? globalThis : await import("undici");
for (const path of ["closed", "lost", "refused"]) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/${path}`);
  let errors = 0;
  socket.addEventListener("error", () => { errors += 1; });
  const { code, reason } = await new Promise((resolve) => socket.addEventListener("close", resolve));
  console.log(`${path}: ${errors} errors, close ${code} ${reason}`.trim());
}
END
cat >expected <<'END'
node closed: 0 errors, close 1012 restart
node lost: 1 errors, close 1006
node refused: 1 errors, close 1006
bun closed: 0 errors, close 1012 restart
bun lost: 0 errors, close 1006
bun refused: 1 errors, close 1006
deno closed: 0 errors, close 1012 restart
deno lost: 1 errors, close 0
deno refused: 1 errors, close 0
END
mkfifo port
node server.mjs >port &
server=$!
read -r port <port
{
  node ask.mjs "$port" | sed "s/^/node /"
  node_modules/.bin/bun ask.mjs "$port" | sed "s/^/bun /"
  node_modules/.bin/deno run --allow-all ask.mjs "$port" | sed "s/^/deno /"
} >seen
cat seen
diff expected seen
