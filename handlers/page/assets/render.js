// How figures are written and rows are filled. The words are those of rows.go.

export const count = (n) => Number(n || 0).toLocaleString("en-US");

export const rate = (f) => f === null || f === undefined ? "–" : f >= 10 || f === 0 ? count(Math.round(f)) : f.toFixed(1);

export function age(ms) {
  ms = Math.max(0, ms || 0);
  const s = Math.floor(ms / 1000), m = Math.floor(s / 60), h = Math.floor(m / 60);
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (s < 60) return `${s} s`;
  if (m < 60) return `${m} min`;
  return h < 48 ? `${h} h ${m % 60} min` : `${Math.floor(h / 24)} d`;
}

const pad = (n, width = 2) => String(n).padStart(width, "0");

// at is a time as this machine's clock has it.
export function at(ms) {
  const d = new Date(ms);
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())} ${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}.${pad(d.getMilliseconds(), 3)}`;
}

const formats = { count, rate, age };

const write = (node, text) => { if (node.textContent !== text) node.textContent = text; };

// fill puts a value into every element that names it.
export function fill(root, values) {
  for (const node of root.querySelectorAll("[data-f]")) {
    const value = values[node.dataset.f];
    if (value === undefined) continue;
    write(node, node.dataset.fmt ? formats[node.dataset.fmt](value) : String(value ?? ""));
    if (node.classList.contains("cut")) node.title = node.textContent;
  }
  for (const node of root.querySelectorAll("[data-set]")) {
    const value = values[node.dataset.set];
    if (value !== undefined) node.dataset.state = value;
  }
}

// sync makes the rows of a table those of a list. A row stays the same element for as
// long as its key is there, so that the focus stays where it is.
export function sync(body, template, items, keyOf, change) {
  const old = new Map();
  for (const row of [...body.children]) {
    if (old.has(row.dataset.key)) row.remove(); // two events of one moment
    else old.set(row.dataset.key, row);
  }
  let before = body.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let row = old.get(key);
    old.delete(key);
    if (!row) {
      row = document.getElementById(template).content.firstElementChild.cloneNode(true);
      row.dataset.key = key;
    }
    if (row === before) before = before.nextElementSibling;
    else body.insertBefore(row, before);
    change(row, item);
  }
  for (const row of old.values()) row.remove();
  const empty = document.querySelector(`[data-empty="${body.id}"]`);
  if (!empty) return;
  empty.hidden = items.length > 0;
  body.closest(".scroll").hidden = !items.length;
}

// make builds an element; what callers wrote is only ever text in it.
export function make(tag, set = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(set)) {
    if (name === "state") node.dataset.state = value;
    else node[name] = value;
  }
  node.append(...children);
  return node;
}

// slowed is a share of attempts; the words are those of rows.go.
function slowed({ attempts, rate_limited: limited }) {
  const share = 100 * limited / attempts;
  if (!attempts) return { slowed: "–", slow: "" };
  const text = limited === 0 ? "0 %" : share < 0.1 ? "< 0.1 %" : `${share.toFixed(1)} %`;
  return { slowed: `${text} of ${count(attempts)}`, slow: share >= 1 ? "warn" : "" };
}

const because = (...parts) => {
  const text = parts.filter(Boolean).join(": ").trim();
  return text ? ": " + text : "";
};

export function bridgeRow(b, now) {
  const slowedTo = b.share < 1 ? [`slowed to ${Math.floor(100 * b.share)} %`] : [];
  const limit = [...b.limits.map((l) => `${l.used} of ${l.limit}`), ...b.room_limits.map((l) => `${l} a room`), ...slowedTo].join(", ");
  let why = "";
  if (b.suspension) why = `by ${b.suspension.by} ${age(now - b.suspension.since_ms)} ago${because(b.suspension.reason, b.suspension.text)}`;
  else if (b.closed_until_ms) why = `its provider said to wait, for ${age(b.closed_until_ms - now)}`;
  return { ...b, limit, why, ...slowed(b.recent) };
}

const waits = {
  nothing: "being sent", worker: "a worker", limit: "its limit", retry: "its next attempt",
  bridge: "its bridge, suspended", operator: "an operator: held", sweeper: "the sweeper",
};

export const waitsFor = (wait) => waits[wait] ?? wait;

export const roomRow = (r, now) => ({ ...r, waits: waitsFor(r.waits_for), next: r.next_ms > now ? `in ${age(r.next_ms - now)}` : "" });

export const groupRow = (g, now) => ({
  ...g, open: count(g.count - g.replayed), over: g.bridges.join(", "), newest: `${age(now - g.newest_ms)} ago`, said: g.sample.provider,
});

const happened = {
  "bridge.suspended": "bridge suspended", "bridge.resumed": "bridge resumed", "bridge.probe_failed": "probe failed",
  "pressure.changed": "pressure", "worker.joined": "worker joined", "worker.left": "worker left",
  "dead_letters.replay": "replay", "dead_letters.drop": "drop",
};

export const eventRow = (e, now) => ({ ...e, at: at(e.at_ms).slice(0, 19), ago: `${age(now - e.at_ms)} ago`, happened: happened[e.what] ?? e.what });

// stillOpen is how many dead letters were not replayed, as far as they were looked at.
export function stillOpen(g) {
  const n = g.groups.reduce((sum, group) => sum + group.count - group.replayed, 0);
  return g.looked_at < g.total ? `≥ ${count(n)}` : count(n);
}

export const fillOf = (p) => p.depth > 0 && p.capacity > 0 ? Math.max(1, Math.min(10, Math.floor(10 * p.depth / p.capacity))) : 0;
