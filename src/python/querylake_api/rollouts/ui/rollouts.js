"use strict";

const KEY = "querylake-admin-key";
const POLL_MS = 2000;
const NAMES = {
  failed: "Failed requests", rejected: "Rejected by the engine", refused: "Refused by the queue", abandoned: "Abandoned by the client",
  slow_response: "Slow responses", slow_pauses: "Slow pauses", long_pause: "Long single pauses", odd_output: "Odd output", no_tool_call: "No tool call",
};
const ACTIONS = {
  start: ["Start", "The first share of the traffic goes to the candidate.", "primary"],
  pause: ["Pause", "The shares stay as they are. What harms is still rolled back.", ""],
  resume: ["Resume", "Steps advance again.", "primary"],
  promote: ["Promote", "The candidate gets all of the traffic.", "primary"],
  rollback: ["Roll back", "New requests go to the stable stack at once. Streams under way finish.", "danger"],
  abort: ["Abort", "Ends without a verdict. Everything goes to the stable stack.", ""],
};
const byId = (id) => document.getElementById(id);
let chosen = null;
let shown = "";

/** Makes an element. Text is only ever set as text, so nothing that is shown can be markup. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

async function ask(path, body, base = "/admin/rollouts") {
  const options = { headers: { authorization: `Bearer ${sessionStorage.getItem(KEY)}` } };
  if (body !== undefined) {
    options.method = "POST";
    options.body = JSON.stringify(body);
    options.headers["content-type"] = "application/json";
  }
  const answer = await fetch(base + path, options);
  const document_ = await answer.json();
  if (answer.ok) return document_;
  const failure = new Error(document_.error?.message ?? `status ${answer.status}`);
  failure.status = answer.status;
  throw failure;
}

const percent = (rate) => `${(100 * rate).toFixed(rate < 0.1 ? 2 : 1)}%`;
const words = (text) => text.replaceAll("_", " ");
const moment = (text) => new Date(text).toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" });

function forget(message = "") {
  sessionStorage.removeItem(KEY);
  byId("content").hidden = byId("leave").hidden = true;
  byId("login").hidden = false;
  byId("login-error").textContent = message;
  byId("key").value = "";
  byId("key").focus();
}

async function refresh() {
  if (!sessionStorage.getItem(KEY)) return;
  try {
    const { data } = await ask("");
    if (!data.some((each) => each.id === chosen)) chosen = data[0]?.id ?? null;
    const events = chosen ? (await ask(`/${chosen}/events`)).data : [];
    const paired = data.find((each) => each.id === chosen)?.plan.parity;
    const parity = paired ? await ask(`/${chosen}`, undefined, "/admin/parity/rollouts") : null;
    byId("login").hidden = true;
    byId("content").hidden = byId("leave").hidden = false;
    byId("connection").className = "";
    byId("connection").textContent = `as of ${new Date().toLocaleTimeString()}`;
    show(data, events, parity);
  } catch (failure) {
    if (failure.status === 401 || failure.status === 403) return forget(failure.message);
    byId("connection").className = "lost";
    byId("connection").textContent = `Not up to date: ${failure.message}`;
    byId("content").hidden = byId("leave").hidden = false;
    byId("login").hidden = true;
  }
}

/** Draws again only what has changed, so that neither focus nor an open detail is lost. */
function show(rollouts, events, parity) {
  const now = JSON.stringify([rollouts, events, parity, chosen]);
  if (now === shown) return;
  shown = now;
  const focused = document.activeElement?.id;
  const open = new Set([...document.querySelectorAll("details[open]")].map((each) => each.id));
  byId("list").replaceChildren(...rollouts.map(listed));
  const rollout = rollouts.find((each) => each.id === chosen);
  byId("detail").replaceChildren(...(rollout ? detail(rollout, events, parity) : [none()]));
  for (const id of open) if (byId(id)) byId(id).open = true;
  if (focused) byId(focused)?.focus();
}

function none() {
  return make("p", {}, "There is no rollout yet. Create one with ", make("code", {}, "querylake_api.pex rollout create PLAN.json"), ".");
}

function listed(rollout) {
  const button = make("button", { type: "button", id: `pick-${rollout.id}`, onclick: () => { chosen = rollout.id; refresh(); } },
    make("span", {}, rollout.model),
    make("span", { className: "hint" }, make("span", { className: `word ${rollout.status}` }, words(rollout.status)),
      moment(rollout.started_at ?? rollout.created_at)));
  button.setAttribute("aria-current", rollout.id === chosen);
  return make("li", {}, button);
}

function detail(rollout, events, parity) {
  const parts = [
    make("div", { className: "title" }, make("h2", {}, rollout.model),
      make("span", { className: `word ${rollout.status}` }, words(rollout.status)),
      make("span", {}, `${rollout.percent}% on ${rollout.candidates.join(", ")}`),
      make("p", { className: "hint" }, rollout.id)),
  ];
  if (rollout.allowed.length) parts.push(make("div", { className: "buttons" }, ...rollout.allowed.map((action) => actionButton(rollout, action))));
  const said = verdict(rollout, events);
  if (said) parts.push(said);
  parts.push(make("h3", {}, "Course"), steps(rollout));
  if (rollout.judgement) parts.push(make("h3", {}, "Both stacks, this step"), arms(rollout.judgement.signals));
  if (parity) parts.push(make("h3", {}, "Same answers?"), ...answers(parity));
  parts.push(make("h3", {}, "What happened"), history(events));
  return parts;
}

function actionButton(rollout, action) {
  const [name, , usual] = ACTIONS[action];
  const look = action === "promote" && rollout.judgement?.next !== "finish" ? "" : usual;
  return make("button", { type: "button", className: look, id: `do-${action}`, onclick: () => confirm(rollout, action) }, name);
}

function verdict(rollout, events) {
  const last = [...events].reverse().find((each) => each.kind === rollout.status);
  if (last && ["promoted", "rolled_back", "aborted"].includes(rollout.status)) {
    const tone = { promoted: "good", rolled_back: "bad" }[rollout.status] ?? "";
    return make("p", { className: `verdict ${tone}` }, `${moment(last.at)}: ${last.sentence}`);
  }
  if (!rollout.judgement) return null;
  const ready = rollout.judgement.next === "finish" ? "Ready to be promoted. " : "";
  const refusal = rollout.judgement.refusal ? ` Not promoted: ${rollout.judgement.refusal}.` : "";
  const tone = rollout.judgement.next === "rollback" ? "bad" : rollout.judgement.reason.startsWith("As good") ? "good" : "";
  return make("p", { className: `verdict ${tone}` }, ready + rollout.judgement.reason + refusal);
}

function steps(rollout) {
  const live = ["running", "paused"].includes(rollout.status);
  return make("ol", { className: "steps" }, ...rollout.plan.steps.map((step, index) => {
    const now = live && index + 1 === rollout.step;
    const done = index + 1 < rollout.step || rollout.status === "promoted";
    const stopped = index + 1 === rollout.step && ["rolled_back", "aborted"].includes(rollout.status);
    const item = make("li", { className: now ? "now" : done ? "done" : stopped ? "stopped" : "" },
      make("b", {}, step.percent ? `${step.percent}%` : `${step.shadow_percent}% copied`),
      make("span", { className: "hint" }, now ? `${Math.round(rollout.baked_seconds)} of ${step.bake_seconds} s` : done ? "done" : stopped ? "ended here" : `${step.bake_seconds} s`));
    if (now) {
      item.setAttribute("aria-current", "step");
      item.append(make("progress", { max: step.bake_seconds || 1, value: step.bake_seconds ? rollout.baked_seconds : 1, "aria-label": "baked" }));
    }
    return item;
  }));
}

function arms(signals) {
  const head = ["Signal", "Stable", "Candidate", "Intervals, 95% at all times", "Verdict"];
  const rows = signals.map((signal) => make("tr", {},
    make("th", { scope: "row" }, NAMES[signal.signal]),
    make("td", { "data-name": "Stable" }, ...arm(signal.stable, "stable")),
    make("td", { "data-name": "Candidate" }, ...arm(signal.candidate, "candidate")),
    make("td", { "data-name": "Intervals" }, intervals(signal)),
    make("td", { "data-name": "Verdict" }, make("span", { className: `word ${signal.word.replace(" ", "-")}` }, signal.word),
      ...evidence(signal))));
  return make("table", {}, make("thead", {}, make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...rows));
}

/** How much speaks for "worse" and for "not worse", and how much longer it takes. */
function evidence(signal) {
  if (signal.word === "not measured") return [];
  const left = signal.seconds_left === null ? [] : [`about ${duration(signal.seconds_left)} at this rate`];
  return [`worse: ${strength(signal.e_worse, signal.e_needed)}`, `not worse: ${strength(signal.e_not_worse, signal.e_not_worse_needed)}`, ...left]
    .map((line) => make("div", { className: "hint" }, line));
}

function strength(value, needed) {
  return value >= 1000 * needed ? "beyond doubt" : `${value.toPrecision(2)} of ${Math.round(needed)}`;
}

function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} minutes`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} hours` : `${Math.round(seconds / 86400)} days`;
}

function arm(figures, which) {
  if (!figures.requests) return [make("span", { className: "hint" }, "no requests")];
  const keys = figures.events && figures.keys ? `, of ${figures.keys} ${figures.keys === 1 ? "key" : "keys"}` : "";
  return [make("span", { className: `rate ${which}` }, percent(figures.rate)),
    make("div", { className: "hint" }, `${figures.events.toLocaleString()} of ${figures.requests.toLocaleString()}${keys}`),
    figures.p95 === null ? "" : make("div", { className: "hint" }, `p95 ${Math.round(1000 * figures.p95)} ms`),
    ...(figures.worst ?? []).map((each) => make("div", { className: "hint key" }, `${each.key}: ${each.events} of ${each.requests}`))];
}

function intervals(signal) {
  const pair = [["stable", signal.stable, 10], ["candidate", signal.candidate, 24]].filter(([, each]) => each.requests);
  if (!pair.length) return make("span", { className: "hint" }, "–");
  const most = Math.max(0.001, ...pair.map(([, each]) => each.high)) * 1.05;
  const svg = draw("svg", { viewBox: "0 0 200 48", preserveAspectRatio: "none", role: "img" });
  const x = (rate) => (200 * rate) / most;
  const label = pair.map(([which, each]) => `${which} ${percent(each.low)} to ${percent(each.high)}`).join(", ");
  svg.append(draw("title", {}, label), draw("line", { class: "axis", x1: 0, y1: 34, x2: 200, y2: 34 }));
  for (const [which, each, y] of pair) {
    svg.append(draw("line", { class: `${which}-mark`, x1: x(each.low), y1: y, x2: x(each.high), y2: y, "stroke-width": 3, "vector-effect": "non-scaling-stroke" }),
      draw("line", { class: `${which}-mark`, x1: x(each.rate), y1: y - 5, x2: x(each.rate), y2: y + 5, "stroke-width": 3, "vector-effect": "non-scaling-stroke" }));
  }
  return make("div", {}, svg, ...label.split(", ").map((line) => make("div", { className: "hint" }, line)));
}

/** What pairs of responses have shown: the verdict, each signal, and requests that were answered differently. */
function answers({ verdict: told, examples }) {
  const tone = { equivalent: "good", different: "bad" }[told.standing] ?? "";
  const seen = told.signals.filter((each) => each.both || each.only_old || each.only_new || each.noise);
  const rows = seen.map((each) => make("tr", {}, make("th", { scope: "row" }, each.name),
    make("td", { "data-name": "Candidate only" }, String(each.only_new)), make("td", { "data-name": "Stable only" }, String(each.only_old)),
    make("td", { "data-name": "Both" }, String(each.both)), make("td", { "data-name": "Stable against itself" }, String(each.noise))));
  const head = ["Signal", "Candidate only", "Stable only", "Both", "Stable against itself"];
  return [make("p", { className: `verdict ${tone}` }, told.sentence),
    make("p", { className: "hint" }, `${told.pairs} pairs, and ${told.own_pairs} of the stable stack with itself`),
    rows.length ? make("table", {}, make("thead", {}, make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)))), make("tbody", {}, ...rows)) : "",
    ...examples.map((each, index) => make("details", { id: `example-${index}` },
      make("summary", {}, `Answered differently: ${each.pair.new.filter((name) => !each.pair.old.includes(name)).join(", ")}`),
      make("pre", { tabIndex: 0 }, each.request), make("div", { className: "beside" }, ...beside(each.old, each.new))))];
}

/** Two texts, with what lies between their common beginning and their common end marked. */
function beside(old, now) {
  const least = Math.min(old.length, now.length);
  let front = 0;
  while (front < least && old[front] === now[front]) front++;
  let back = 0;
  while (back < least - front && old.at(-1 - back) === now.at(-1 - back)) back++;
  return [["Stable", old], ["Candidate", now]].map(([name, text]) => make("div", {}, make("h4", {}, name),
    make("pre", { tabIndex: 0 }, text.slice(0, front), make("mark", {}, text.slice(front, text.length - back)), text.slice(text.length - back))));
}

function draw(tag, attributes, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
}

function history(events) {
  return make("ol", { id: "events" }, ...[...events].reverse().map((event) => make("li", { className: event.kind },
    make("time", { dateTime: event.at }, moment(event.at)), event.sentence,
    make("details", { id: `figures-${event.id}` }, make("summary", {}, `${words(event.kind)} by ${event.actor}, figures`),
      make("pre", { tabIndex: 0 }, JSON.stringify(event.figures, null, 2))))));
}

function confirm(rollout, action) {
  const [name, meaning, look] = ACTIONS[action];
  byId("confirm-title").textContent = `${name} ${rollout.model}?`;
  byId("confirm-text").textContent = meaning;
  byId("reason").value = byId("override-by").value = "";
  byId("override").hidden = action !== "promote";
  byId("confirm-error").textContent = "";
  const yes = byId("confirm-yes");
  yes.className = look || "primary";
  yes.textContent = name;
  byId("confirm-form").onsubmit = async (event) => {
    event.preventDefault();
    const body = { reason: byId("reason").value };
    if (action === "promote" && byId("override-by").value) {
      body.override_by = byId("override-by").value;
      body.override_reason = byId("reason").value || null;
    }
    yes.disabled = true;
    try {
      await ask(`/${rollout.id}/${action}`, body);
      byId("confirm").close();
      await refresh();
    } catch (failure) {
      byId("confirm-error").textContent = failure.message;
    } finally {
      yes.disabled = false;
    }
  };
  // The button that was pressed may have been drawn again meanwhile.
  byId("confirm").onclose = () => byId(`do-${action}`)?.focus();
  byId("confirm").showModal();
  byId("reason").focus();
}

byId("login").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, byId("key").value.trim());
  refresh();
});
byId("confirm-no").addEventListener("click", () => byId("confirm").close());
byId("leave").addEventListener("click", () => forget());
if (sessionStorage.getItem(KEY)) refresh();
else forget();
setInterval(() => { if (!document.hidden) refresh(); }, POLL_MS);
