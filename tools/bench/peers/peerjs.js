// PeerJS server as its documentation starts it; only the cap of 5,000 clients is raised.
"use strict";

const { PeerServer } = require("peer");

PeerServer({ host: "127.0.0.1", port: Number(process.argv[2]), path: "/", concurrent_limit: 1_000_000 });
