import { createApp } from "vue";
import { Phone } from "./phone.js";

const query = new URLSearchParams(location.search);
const place = document.body.appendChild(document.createElement("main"));
createApp(Phone, { url: query.get("server"), clientId: query.get("name"), peerId: query.get("peer") }).mount(place);
