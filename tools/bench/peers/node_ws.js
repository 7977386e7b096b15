// The least a relay on `ws` can be: a map of clients, and each message passed on as it came.
"use strict";

const { WebSocketServer } = require("ws");

const clients = new Map();

new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 4096 }).on("connection", (socket) => {
  let id;
  socket.on("error", () => {});
  socket.on("close", () => clients.get(id) === socket && clients.delete(id));
  socket.on("message", (data) => {
    const message = JSON.parse(data);
    if (message.type === "register") {
      id = message.id;
      clients.set(id, socket);
      socket.send('{"type":"registered"}');
    } else if (message.type === "heartbeat") {
      socket.send('{"type":"heartbeat_ack"}');
    } else {
      clients.get(message.to)?.send(data, { binary: false });
    }
  });
});
