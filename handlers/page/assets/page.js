// The operator's page asks the API for its figures every two seconds and sends it the
// operator's actions.
import { age, at, bridgeRow, count, eventRow, fill, fillOf, groupRow, make, roomRow, stateOf, stillOpen, sync, waitsFor } from "./render.js";

const $ = (id) => document.getElementById(id);
const API = "api/v1";
const EVERY = 2000, EVERY_OF_A_JOB = 500;
const state = { partitions: [], partition: null, letters: null, lastGood: document.body.classList.contains("unknown") ? 0 : Date.now(), noticeUntil: 0 };

class Fault extends Error {}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(`${API}${path}`, {
      cache: "no-store", signal: AbortSignal.timeout(8000), headers: options.method ? { "Content-Type": "application/json" } : {}, ...options,
    });
  } catch {
    throw new Fault("outgate does not answer.");
  }
  if (response.status === 401) throw new Fault("outgate needs the token: reload this page.");
  const body = await response.json().catch(() => null);
  if (!response.ok || !body) throw new Fault(body?.error ? `${body.error.field ? body.error.field + ": " : ""}${body.error.message}.` : `outgate answered ${response.status}.`);
  return body;
}

const post = (path, body) => ask(path, { method: "POST", body: JSON.stringify(body) });

// Totals.

function showOverview(o) {
  fill($("now"), o);
  for (const node of document.querySelectorAll("[data-count]")) node.textContent = count(o.constraints[node.dataset.count]);
  document.title = o.suspended_bridges ? `outgate (${o.suspended_bridges} suspended)` : "outgate";
}

// Partitions.

function showPartitions({ partitions, sampled }) {
  state.partitions = partitions;
  $("sampled").textContent = sampled;
  sync($("map"), "t-cell", partitions, (p) => p.partition, (cell, p) => {
    const label = `partition ${p.partition}: ${p.constraint}, ${count(p.depth)} waiting`;
    if (cell.getAttribute("aria-label") !== label) cell.setAttribute("aria-label", label);
    if (cell.dataset.state !== p.constraint) cell.dataset.state = p.constraint;
    if (cell.dataset.fill !== String(fillOf(p))) cell.dataset.fill = fillOf(p);
    if (state.partition === p.partition) cell.setAttribute("aria-pressed", "true");
    else cell.removeAttribute("aria-pressed");
  });
  if (!$("map").querySelector("[tabindex='0']")) $("map").firstElementChild?.setAttribute("tabindex", "0");
}

function showDetail(cell) {
  const p = state.partitions[Number(cell.dataset.key)];
  if (!p) return;
  const parts = [`${count(p.depth)} of ${count(p.capacity)} waiting in ${count(p.rooms)} rooms`];
  if (p.depth) parts.push(`oldest message ${age(p.oldest_ms)}`);
  parts.push(`pressure ${p.pressure_level}`, `${count(p.dead_letters)} dead letters`, p.owner ? `owner ${p.owner}` : "no worker owns it");
  $("detail").replaceChildren(make("b", { textContent: p.queue }), " ", make("span", { className: "pill", state: p.constraint, textContent: p.constraint }), " ", parts.join(" · "));
}

const cellOf = (event) => event.target.closest(".map .cell");

function moveOnMap(event) {
  const cells = [...$("map").children], here = cells.indexOf(document.activeElement);
  if (here < 0) return;
  const across = cells.filter((c) => c.offsetTop === cells[0].offsetTop).length;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across, Home: -here, End: cells.length - 1 - here }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const next = cells[Math.max(0, Math.min(cells.length - 1, here + step))];
  cells[here].tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

$("map").addEventListener("keydown", moveOnMap);
for (const event of ["mouseover", "focusin"]) $("map").addEventListener(event, (e) => cellOf(e) && showDetail(cellOf(e)));
$("map").addEventListener("click", (e) => cellOf(e) && choose(Number(cellOf(e).dataset.key)));
$("all-rooms").addEventListener("click", () => choose(null));

function choose(partition) {
  state.partition = state.partition === partition ? null : partition;
  $("chosen").hidden = state.partition === null;
  $("chosen").querySelector("b").textContent = state.partition ?? "";
  refresh();
}

// Bridges and rooms.

function showBridges({ bridges, now_ms, more }) {
  sync($("bridges"), "t-bridge", bridges, (b) => b.id, (row, b) => {
    fill(row, bridgeRow(b, now_ms));
    row.querySelector("[data-act=suspend]").hidden = b.state === "suspended";
    row.querySelector("[data-act=resume]").hidden = b.state !== "suspended";
  });
  $("bridges-note").hidden = !bridges.length;
  $("more-bridges").hidden = !more;
  $("more-bridges").querySelector("b").textContent = count(more);
}

$("bridges").addEventListener("click", async (event) => {
  const act = event.target.dataset.act, id = event.target.closest("tr")?.dataset.key;
  if (act === "suspend") {
    confirmed({
      title: `Suspend ${id}`, text: "Its messages wait, in order, until you resume it. None is lost.", go: "Suspend", reason: true,
      act: ({ reason }) => post(`/bridges/${encodeURIComponent(id)}/suspend`, { reason }),
    });
  } else if (act === "resume") {
    event.target.disabled = true;
    await post(`/bridges/${encodeURIComponent(id)}/resume`, {}).catch(complain);
    event.target.disabled = false;
    refresh();
  }
});

function showRooms(r) {
  sync($("rooms"), "t-room", r.rooms, (room) => room.line, (row, room) => {
    fill(row, roomRow(room, r.now_ms));
    row.dataset.head = room.head;
  });
  $("rooms-note").textContent = r.rooms.length ? `The oldest of ${count(r.looked_at)} rooms examined, out of ${count(r.total)} with waiting messages.` : "";
  $("unavailable").hidden = !r.unavailable_total;
  $("unavailable").querySelector("b").textContent = count(r.unavailable_total);
  $("unavailable").querySelector("ul").replaceChildren(...r.unavailable.map((u) => make("li", {}, make("b", { textContent: u.line }), ` ${u.text}, for ${age(r.now_ms - u.since_ms)}`)));
}

$("rooms").addEventListener("click", (event) => {
  const row = event.target.closest("[data-act=trace]") && event.target.closest("tr");
  if (row) trace(row.dataset.head, true);
});

// Dead letters.

function showGroups(g) {
  fill($("now"), { open: stillOpen(g) });
  sync($("groups"), "t-group", g.groups, (group) => group.reason, (row, group) => fill(row, groupRow(group, g.now_ms)));
  const rest = g.complete ? "" : " Counting goes on.";
  $("groups-note").textContent = g.total ? `The counts cover the newest ${count(g.looked_at)} of ${count(g.total)} dead letters.${rest}` : "";
}

$("groups").addEventListener("click", (event) => {
  const act = event.target.dataset.act, reason = event.target.closest("tr")?.dataset.key;
  if (act === "list") {
    $("filter").reset();
    $("filter").elements.reason.value = reason;
    list({ reason });
  } else if (act) plan(act, { reason });
});

function filter() {
  const values = Object.fromEntries(new FormData($("filter")));
  return Object.fromEntries(Object.entries(values).map(([name, v]) => [name, v.trim()]).filter(([, v]) => v));
}

$("filter").addEventListener("submit", (event) => { event.preventDefault(); list(filter()); });
$("filter").addEventListener("click", (event) => event.target.dataset.act && plan(event.target.dataset.act, filter()));
$("more").addEventListener("click", () => list(state.letters.filter, state.letters.cursor));

async function list(chosen, cursor = "") {
  const box = $("letters"), note = box.querySelector(".note"), body = box.querySelector("tbody");
  box.hidden = false;
  box.setAttribute("aria-busy", "true");
  note.textContent = "Searching…";
  try {
    const page = await ask(`/dead-letters?${new URLSearchParams({ ...chosen, limit: 20, ...(cursor && { cursor }) })}`);
    const rows = page.dead_letters.map((l) => letterRow(l, page.now_ms));
    if (cursor) body.append(...rows);
    else body.replaceChildren(...rows);
    state.letters = { filter: chosen, cursor: page.next_cursor };
    $("more").hidden = !page.next_cursor;
    note.textContent = `${count(body.children.length)} shown, newest first.${page.next_cursor ? "" : " That is all."}`;
  } catch (error) {
    note.textContent = error.message;
  }
  box.removeAttribute("aria-busy");
}

function letterRow(l, now) {
  const open = make("button", { type: "button", className: "link", textContent: l.id });
  open.addEventListener("click", () => trace(l.id, true));
  const how = l.replayed_as ? `replayed as ${l.replayed_as}` : l.held ? "on hold" : "dead";
  const cut = (text) => make("td", { className: "cut", textContent: text, title: text });
  return make("tr", {}, make("th", { scope: "row" }, open), make("td", { className: "quiet when", textContent: `${age(now - l.died_at_ms)} ago` }),
    cut(`${l.bridge_id}:${l.external_room_id}`), make("td", { textContent: l.reason }), cut(l.provider), cut(how));
}

const words = {
  replay: ["Replay", "will be sent again. Those of a room keep their order and join the end of its line; those on hold are sent first."],
  drop: ["Delete", "will be deleted for good. Those on hold are settled with their error, and their rooms go on."],
};

async function plan(action, chosen) {
  const [verb, what] = words[action];
  const whose = Object.entries(chosen).map(([name, v]) => `${name} ${v}`).join(", ") || "all";
  const dialog = confirmed({
    title: `${verb} dead letters (${whose})`, text: "Counting…", go: verb, pace: true, waiting: true,
    act: ({ pace }) => post(`/dead-letters/${action}`, { filter: chosen, per_second: Number(pace) }),
  });
  try {
    const p = await post(`/dead-letters/${action}`, { filter: chosen, dry_run: true });
    const many = p.exact ? `${count(p.count)} ${p.count === 1 ? "dead letter" : "dead letters"}` : `${count(p.count)} of the newest ${count(p.looked_at)} dead letters, and any others that match among all ${count(p.total)},`;
    dialog.ready(p.count || !p.exact ? `${many} ${what}` : "No dead letters match.", p.count > 0 || !p.exact, p.count ? `${verb} ${p.exact ? count(p.count) : "all"}` : verb);
  } catch (error) {
    dialog.fail(error.message);
  }
}

const runs = (j) => j.state === "counting" || j.state === "running";

// follow asks for running jobs more often than for the rest. When they have ended, it
// refreshes the whole page.
let following = 0;
function follow(jobs) {
  clearTimeout(following);
  if (!jobs.some(runs) || document.hidden) return;
  following = setTimeout(async () => {
    const next = await ask("/jobs").catch(() => null);
    if (next?.jobs.some(runs)) showJobs(next);
    else refresh();
  }, EVERY_OF_A_JOB);
}

function showJobs({ jobs, now_ms }) {
  const recent = jobs.filter((j) => !j.ended_ms || now_ms - j.ended_ms < 60000).slice(0, 5);
  const box = $("jobs"), old = new Map([...box.children].map((n) => [n.dataset.key, n]));
  for (const j of recent) {
    const node = old.get(j.id) ?? newJob(j.id);
    old.delete(j.id);
    const running = runs(j), bar = node.querySelector("progress");
    if (j.total) { bar.max = j.total; bar.value = j.done + j.skipped + j.failed; } else if (running) bar.removeAttribute("value");
    const extra = [j.skipped && `${count(j.skipped)} skipped`, j.failed && `${count(j.failed)} failed`, j.message].filter(Boolean);
    node.querySelector("span").textContent = `${words[j.action]?.[0] ?? j.action}: ${j.state}, ${count(j.done)} of ${j.total || !running ? count(j.total) : "…"}${extra.length ? " · " + extra.join(" · ") : ""}`;
    node.querySelector("button").hidden = !running;
    if (!node.isConnected) box.append(node);
  }
  for (const node of old.values()) node.remove();
  follow(jobs);
}

function newJob(id) {
  const stop = make("button", { type: "button", textContent: "Stop" });
  stop.addEventListener("click", async () => { await ask(`/jobs/${id}`, { method: "DELETE" }).catch(complain); refresh(); });
  const node = make("div", { className: "job" }, make("span"), stop, make("progress", { ariaLabel: "Progress" }));
  node.dataset.key = id;
  return node;
}

// Events.

function showEvents({ events, now_ms }) {
  sync($("events"), "t-event", events, (e) => `${e.at_ms} ${e.what} ${e.about}`, (row, e) => fill(row, eventRow(e, now_ms)));
}

// The dialog.

function confirmed({ title, text, go, act, reason = false, pace = false, waiting = false }) {
  const dialog = $("dialog"), form = dialog.querySelector("form"), button = $("dialog-go"), fault = $("dialog-fault");
  const ready = (words, able, label = go) => { $("dialog-text").textContent = words; button.disabled = !able; button.textContent = label; };
  const fail = (message) => { fault.textContent = message; fault.hidden = false; };
  $("dialog-title").textContent = title;
  $("dialog-reason").hidden = !reason;
  $("dialog-pace").hidden = !pace;
  form.elements.reason.value = "";
  fault.hidden = true;
  ready(text, !waiting);
  // Enter in a field presses the button that acts; browsers would press the first one,
  // which cancels. A repeated Enter does nothing: it may be the one that opened the dialog.
  form.onkeydown = (event) => {
    if (event.key !== "Enter" || event.target.localName !== "input") return;
    event.preventDefault();
    if (!event.repeat && !button.disabled) form.requestSubmit(button);
  };
  form.onsubmit = async (event) => {
    if (event.submitter?.value === "cancel") return;
    event.preventDefault();
    button.disabled = true;
    try {
      await act({ reason: form.elements.reason.value, pace: form.elements.pace.value });
      dialog.close();
      refresh();
    } catch (error) {
      fail(error.message);
      button.disabled = false;
    }
  };
  dialog.showModal();
  return { ready, fail };
}

// Traces.

async function find(path) {
  const box = $("traced");
  box.replaceChildren(make("p", { className: "note", textContent: "Searching…" }));
  try {
    box.replaceChildren(...traceOf(await ask(path)));
  } catch (error) {
    box.replaceChildren(make("p", { className: "fault", textContent: error.message }));
  }
}

function trace(id, move = false) {
  $("by-id").elements.id.value = id;
  if (move) { $("trace").scrollIntoView({ block: "start" }); $("by-id").elements.id.focus({ preventScroll: true }); }
  return find(`/envelopes/${encodeURIComponent(id)}`);
}

$("by-id").addEventListener("submit", (event) => { event.preventDefault(); trace(event.target.elements.id.value.trim()); });
$("by-key").addEventListener("submit", (event) => { event.preventDefault(); find(`/envelopes?${new URLSearchParams(new FormData(event.target))}`); });

function traceOf(t) {
  const fact = (name, value) => value ? [make("div", {}, make("span", { textContent: `${name} ` }), String(value))] : [];
  const facts = make("div", { className: "facts" },
    make("code", { textContent: t.id }), make("span", { className: "pill", state: t.state, textContent: stateOf(t.state) }),
    ...fact("room", t.bridge_id && `${t.bridge_id}:${t.external_room_id}`), ...fact("operation", t.operation), ...fact("payload", t.kind && `${t.kind}, ${count(t.size_bytes)} bytes`),
    ...fact("priority", t.priority), ...fact("attempts", t.attempts), ...fact("position in its line", t.position),
    ...fact("waits for", t.waits_for && waitsFor(t.waits_for)), ...fact("ambiguous", t.ambiguous && "the provider may have it twice"),
    ...fact("message id", t.outcome?.message_id), ...fact("correlation id", t.correlation_id));
  const start = t.steps[0]?.at_ms;
  const steps = t.steps.map((s) => make("li", {},
    s.at_ms ? make("time", { dateTime: new Date(s.at_ms).toISOString(), textContent: at(s.at_ms), title: start ? `${age(s.at_ms - start)} after it was admitted` : "" }) : make("time", { textContent: "time unknown" }),
    make("b", { textContent: stateOf(s.what).replace("_", " ") }), make("span", { textContent: s.text })));
  return [facts, make("ol", { className: "steps" }, ...steps)];
}

// Updates.

function show(message) {
  if ($("banner").textContent !== message) $("banner").textContent = message;
  $("banner").hidden = false;
}

// complain shows why an operator's action failed, for ten seconds.
function complain(error) {
  state.noticeUntil = Date.now() + 10000;
  show(error.message);
}

let asking = null, timer = 0;

async function refresh() {
  clearTimeout(timer);
  if (asking) { await asking; clearTimeout(timer); }
  asking = update();
  await asking;
  asking = null;
  clearTimeout(timer);
  timer = setTimeout(refresh, document.hidden ? 15 * EVERY : EVERY);
}

async function update() {
  const only = state.partition === null ? "" : `&partition=${state.partition}`;
  try {
    const shown = document.documentElement.dataset;
    const [overview, partitions, bridges, rooms, groups, jobs, events] = await Promise.all([
      ask("/overview"), ask("/partitions"), ask("/bridges"), ask(`/rooms?limit=${shown.rooms}${only}`), ask("/dead-letters/groups"), ask("/jobs"), ask(`/events?limit=${shown.events}`),
    ]);
    showOverview(overview);
    showPartitions(partitions);
    showBridges(bridges);
    showRooms(rooms);
    showGroups(groups);
    showJobs(jobs);
    showEvents(events);
    state.lastGood = Date.now();
    document.body.classList.remove("stale", "unknown");
    if (Date.now() > state.noticeUntil) $("banner").hidden = true;
    $("live-text").textContent = "live";
    document.documentElement.dataset.live = "yes";
  } catch (error) {
    if (!(error instanceof Fault)) console.error(error);
    document.body.classList.add("stale");
    const known = state.lastGood ? `The figures are from ${at(state.lastGood).slice(11, 19)}.` : "There are no figures yet. This page updates when it is back.";
    show(`${error.message} ${known}`);
    $("live-text").textContent = "not live";
    document.documentElement.dataset.live = "no";
  }
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
refresh();
