import { createRoot } from "react-dom/client";
import { Phone } from "./Phone.jsx";

const query = new URLSearchParams(location.search);
const place = document.body.appendChild(document.createElement("main"));
createRoot(place).render(<Phone url={query.get("server")} clientId={query.get("name")} peerId={query.get("peer")} />);
