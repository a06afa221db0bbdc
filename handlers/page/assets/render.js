// Formats figures and fills rows. The words are those of rows.go.

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

// at formats a time in the browser's time zone.
export function at(ms) {
  const d = new Date(ms);
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())} ${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}.${pad(d.getMilliseconds(), 3)}`;
}

const formats = { count, rate, age };

const write = (node, text) => { if (node.textContent !== text) node.textContent = text; };

// fill writes each value into the elements that name it.
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

// sync makes the rows of a table show a list. A row stays the same element while its
// key is in the list, so it keeps the focus.
export function sync(body, template, items, keyOf, change) {
  const old = new Map();
  for (const row of [...body.children]) {
    if (old.has(row.dataset.key)) row.remove(); // two events of the same millisecond
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

// make builds an element. Values become text, never HTML.
export function make(tag, set = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(set)) {
    if (name === "state") node.dataset.state = value;
    else node[name] = value;
  }
  node.append(...children);
  return node;
}

// slowed formats the share of rate-limited attempts, as rows.go does.
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
  const limit = [...b.limits.map((l) => `${l.used} of ${l.limit}`), ...b.room_limits.map((l) => `${l} per room`), ...slowedTo].join(", ");
  let why = "";
  if (b.suspension) why = `by ${b.suspension.by} ${age(now - b.suspension.since_ms)} ago${because(b.suspension.reason, b.suspension.text)}`;
  else if (b.closed_until_ms) why = `the provider asks to wait ${age(b.closed_until_ms - now)} more`;
  return { ...b, limit, why, ...slowed(b.recent) };
}

const waits = {
  nothing: "nothing: being sent", worker: "a worker", limit: "a rate limit", retry: "its next attempt",
  bridge: "its suspended bridge", operator: "an operator: on hold", sweeper: "the sweeper",
};

export const waitsFor = (wait) => waits[wait] ?? wait;

export function roomRow(r, now) {
  const check = r.waits_for === "bridge" ? "next check " : "";
  return { ...r, waits: waitsFor(r.waits_for), next: r.next_ms > now ? `${check}in ${age(r.next_ms - now)}` : "" };
}

export const groupRow = (g, now) => ({
  ...g, open: count(g.count - g.replayed), over: g.bridges.join(", "), newest: `${age(now - g.newest_ms)} ago`, error: g.sample.provider,
});

const happened = {
  "bridge.suspended": "bridge suspended", "bridge.resumed": "bridge resumed", "bridge.probe_failed": "probe failed",
  "pressure.changed": "pressure changed", "worker.joined": "worker joined", "worker.left": "worker left",
  "dead_letters.replay": "dead letter replay", "dead_letters.drop": "dead letter removal",
};

export const eventRow = (e, now) => ({ ...e, at: at(e.at_ms).slice(0, 19), ago: `${age(now - e.at_ms)} ago`, happened: happened[e.what] ?? e.what });

// stateOf is the state of an envelope, or a step of it, in words.
export const stateOf = (state) => state === "held" ? "on hold" : state;

// stillOpen is how many of the dead letters that were examined were not replayed.
export function stillOpen(g) {
  const n = g.groups.reduce((sum, group) => sum + group.count - group.replayed, 0);
  return g.looked_at < g.total ? `≥ ${count(n)}` : count(n);
}

export const fillOf = (p) => p.depth > 0 && p.capacity > 0 ? Math.max(1, Math.min(10, Math.floor(10 * p.depth / p.capacity))) : 0;
