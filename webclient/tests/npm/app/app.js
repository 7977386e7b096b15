import { SecureCall } from "securecall-client";

const query = new URLSearchParams(location.search);
const client = new SecureCall(query.get("server"), { clientId: query.get("name") });
window.client = client;
client.addEventListener("warning", ({ detail }) => window.warnings.push(detail.message));
client.connect();
