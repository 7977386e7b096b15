"""What a client keeps of a public record, and what it tells of it, while a server and an auditor speak."""

from typing import Any

from tests.support.lies import NOW, World
from tests.support.made_log import MadeLog, vkey

# Without a browser there is no IndexedDB: the store is in memory. `fetch` and the connection say what they are told to.
ASK = """
async ({ base, vkey, other, pages, old, now, checkpoints }) => {
  const [{ KeyStore }, { Directory }, { Peers }] = await Promise.all(
    ["key-store", "directory", "peers"].map((name) => import(`${base}${name}.js`)));
  const { now: clock } = Date;
  Date.now = () => now;
  const shown = { "http://h/log/key": vkey, "http://auditor/checkpoint": checkpoints.right };
  globalThis.fetch = async (url) => ({ ok: shown[url] !== null, text: async () => shown[url] });
  let events = [];
  let asked = [];
  let lie = null;
  let isLost = false;
  const store = new KeyStore(() => undefined);
  const ask = async (_, payload) => {
    asked.push(payload);
    if (isLost) throw Object.assign(new Error("There is no connection to the server."), { code: "closed" });
    return lie ?? structuredClone(pages[`${payload.after} ${payload.size ?? 0}`]);
  };
  const client = (options) => {
    const tell = (type, { state, code, clientId }) => events.push([type, state ?? code ?? clientId]);
    const directory = new Directory(store, "ws://h/signal", options, tell);
    return { directory, peers: new Peers(store, "h bob", (...question) => directory.find(ask, ...question)) };
  };
  const keep = (change) => store.update("pins", "h", (kept) => ({ ...kept, ...change }));
  const told = async (action) => {
    const result = await Promise.resolve(action).then(
      (it) => it && "status" in it ? [it.status, it.isRecorded] : "done", ({ code }) => code);
    const happened = { result, events, asked };
    [events, asked] = [[], []];
    return happened;
  };
  const auditing = { auditorUrl: "http://auditor/checkpoint" };
  const steps = {};
  let bob = client(auditing);
  const looks = () => told(bob.peers.judge("alice"));
  const audits = async () => told(bob.directory.audit(ask, "alice", {}));

  shown["http://h/log/key"] = null;
  steps.keyless = await looks();
  steps.keylessAgain = await looks();
  // What another tab keeps counts all the same.
  await keep({ directory: "calls.example.org", log: { vkey, size: 0, root: "" } });
  steps.keylessElsewhere = await looks();
  await keep({ log: undefined });
  shown["http://h/log/key"] = "<!doctype html>";
  bob = client(auditing);
  steps.noKey = await looks();
  shown["http://h/log/key"] = `${vkey}\\n`;
  await keep({ directory: "another.example.org" });
  bob = client(auditing);
  steps.anotherDirectory = await looks();
  steps.acceptedOfAnother = await told(bob.directory.record().then((record) => record.accept()));
  await keep({ directory: "calls.example.org" });
  bob = client(auditing);
  steps.first = await looks();
  steps.again = await looks();
  const kept = await keep({});
  lie = old;
  steps.shrunk = await looks();
  lie = { clientId: "alice", publicKey: null };
  steps.unproved = await looks();
  lie = null;
  Date.now = () => now + 2 * 3_600_000;
  steps.late = await looks();
  Date.now = () => now;
  steps.together = await told(Promise.all([bob.peers.judge("alice"), bob.peers.judge("alice")]));
  steps.audited = await audits();
  steps.auditedToday = await audits();
  await keep({ comparedAt: 0 });
  shown["http://auditor/checkpoint"] = checkpoints.wrong;
  steps.split = await audits();
  bob = client(auditing);
  shown["http://auditor/checkpoint"] = checkpoints.right;
  isLost = true;
  steps.lost = await audits();
  isLost = false;
  Date.now = () => now + 2 * 3_600_000;
  steps.auditedLate = await audits();
  Date.now = () => now;
  bob = client(auditing);
  shown["http://auditor/checkpoint"] = null;
  steps.away = await audits();
  await keep({ auditedAt: now - 3 * 86_400_000 });
  steps.unaudited = await audits();
  const log = { ...kept.log, vkey: other };
  await keep({ log });
  steps.replaced = await looks();
  steps.accepted = await told(bob.directory.record().then((record) => record.accept()));
  steps.goesOn = await looks();
  bob = client({ logKey: other });
  steps.anotherLogKey = await looks();
  store.update("pins", "h", () => null);
  store.update("pins", "h bob alice", () => null);
  shown["http://h/log/key"] = null;
  lie = { clientId: "alice", publicKey: null };
  bob = client({ logKey: vkey });
  steps.logKeyUnproved = await looks();
  lie = null;
  steps.logKey = await looks();
  Date.now = clock;
  return { steps, kept };
}
"""
ANOTHER_KEY = vkey(name=f"calls.example.org/{'A' * 42}E")


def question() -> dict[str, Any]:
    """Return what is asked: answers by `after` and `size`, and what the auditor may show."""
    pages: dict[str, Any] = {}
    world = World()
    for size in (0, 3, 4, 6):
        world.log = world.log._replace(size=size)
        pages |= {f"{after} {size}": world.answer(after=after) for after in (-1, 1, 2)}
    checkpoints = {"right": world.directory.log.checkpoint(NOW, 4), "wrong": MadeLog().fill(4).checkpoint(NOW, 4)}
    old = World(lambda _: None).directory.answer("alice", now=NOW)
    return {
        "vkey": vkey(), "other": ANOTHER_KEY, "pages": pages, "old": old, "now": NOW * 1000, "checkpoints": checkpoints,
    }  # fmt: skip


EVIDENCE = ["evidence", "alice"]
# What comes of each step, and what the application is told.
EXPECTED: dict[str, tuple[Any, list[list[str]]]] = {
    "keyless": (["new", False], [["warning", "record-unavailable"]]),
    "keylessAgain": (["known", False], []),
    "keylessElsewhere": (["known", True], [["record", "checked"]]),
    "noKey": (["known", False], [["warning", "record-unavailable"]]),
    "anotherDirectory": (["refused", False], [EVIDENCE]),
    "acceptedOfAnother": ("refused-answer", []),
    "first": (["known", True], [["record", "checked"]]),
    "again": (["known", True], []),
    "shrunk": (["refused", False], [EVIDENCE]),
    "unproved": (["refused", False], [EVIDENCE]),
    "late": (["refused", False], [EVIDENCE]),
    "together": ("done", []),
    "audited": ("done", [["record", "audited"]]),
    "auditedToday": ("done", []),
    "split": ("refused-answer", [["record", "split"], EVIDENCE]),
    "lost": ("closed", []),
    "auditedLate": ("refused-answer", [EVIDENCE]),
    "away": ("done", []),
    "unaudited": ("done", [["record", "unaudited"]]),
    "replaced": (["refused", False], [["record", "replaced"]]),
    "accepted": ("done", []),
    "goesOn": (["known", True], [["record", "checked"]]),
    "anotherLogKey": (["refused", False], [["record", "replaced"]]),
    "logKeyUnproved": (["refused", False], [EVIDENCE]),
    "logKey": (["new", True], [["record", "checked"]]),
}


def check(answer: dict[str, Any]) -> None:
    """Compare what happened with what has to happen."""
    steps = answer["steps"]
    assert {name: (step["result"], step["events"]) for name, step in steps.items()} == EXPECTED
    assert (answer["kept"]["log"]["vkey"], answer["kept"]["log"]["size"]) == (vkey(), 6)
    # A server without a log is asked as ever, and any other from the tree that is known.
    assert steps["first"]["asked"] == [{"clientId": "alice", "after": 2}]
    assert steps["again"]["asked"] == [{"clientId": "alice", "after": 2, "size": 6}]
    assert [one["size"] for one in steps["audited"]["asked"]] == [4, 6]
    assert steps["goesOn"]["asked"] == [{"clientId": "alice", "after": 2, "size": 0}]
