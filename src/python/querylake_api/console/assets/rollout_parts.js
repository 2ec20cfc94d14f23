// What is known of one rollout: its course, both arms, pairs of responses, and its events.

const SIGNALS = {
  failed: "Failed requests", rejected: "Rejected by the engine", refused: "Refused by the queue", abandoned: "Abandoned by the client",
  slow_response: "Slow responses", slow_pauses: "Slow pauses", long_pause: "Long single pauses", odd_output: "Odd output", no_tool_call: "No tool call",
};
const ENDED = ["promoted", "rolled_back", "aborted"];

function Verdict({ rollout, events }) {
  const last = events.findLast((each) => each.kind === rollout.status);
  if (last && ENDED.includes(rollout.status)) {
    const tone = { promoted: "good", rolled_back: "bad" }[rollout.status] ?? "";
    const before = rollout.status === "rolled_back" && events.findLast((each) => each.kind === "promoted");
    const watch = rollout.status === "promoted" && rollout.judgement?.watch ? ` ${rollout.judgement.reason}` : "";
    return html`<p class=${`verdict ${before ? "" : tone}`}>${before ? `Promoted ${moment(before.at)}, and taken back later. ` : ""}${moment(last.at)}: ${last.sentence}${watch}</p>`;
  }
  const judgement = rollout.judgement;
  if (!judgement) return null;
  const ready = judgement.next === "finish" ? "Ready to be promoted. " : "";
  const refusal = judgement.refusal ? ` Not promoted: ${judgement.refusal}.` : "";
  const tone = judgement.next === "rollback" ? "bad" : judgement.reason.startsWith("As good") ? "good" : "";
  return html`<p class=${`verdict ${tone}`}>${ready + judgement.reason + refusal}</p>`;
}

function Steps({ rollout }) {
  const live = ["running", "paused"].includes(rollout.status);
  return html`<ol class="steps">${rollout.plan.steps.map((step, index) => {
    const now = live && index + 1 === rollout.step;
    const done = index + 1 < rollout.step || rollout.status === "promoted";
    const stopped = index + 1 === rollout.step && ["rolled_back", "aborted"].includes(rollout.status);
    const baked = now ? `${Math.round(rollout.baked_seconds)} of ${step.bake_seconds} s` : done ? "done" : stopped ? "ended here" : `${step.bake_seconds} s`;
    return html`<li class=${now ? "now" : done ? "done" : stopped ? "stopped" : ""} aria-current=${now ? "step" : null}>
      <b>${step.percent ? `${step.percent}%` : `${step.shadow_percent}% copied`}</b><span class="hint">${baked}</span>
      ${now && html`<progress max=${step.bake_seconds || 1} value=${step.bake_seconds ? rollout.baked_seconds : 1} aria-label="baked"></progress>`}
    </li>`;
  })}</ol>`;
}

function Arms({ signals }) {
  const rows = signals.map((signal) => ({
    key: signal.signal,
    cells: [SIGNALS[signal.signal] ?? words(signal.signal), arm(signal.stable, "stable"), arm(signal.candidate, "candidate"),
      html`<${Intervals} signal=${signal} />`,
      html`<span class=${`word ${signal.word.replace(" ", "-")}`}>${signal.word}</span>${evidence(signal)}`],
  }));
  return html`<${Table} label="Both stacks" head=${["Signal", "Stable", "Candidate", "Intervals", "Verdict"]} rows=${rows} />
    <p class="hint">Intervals hold with 95% at all times together.</p>`;
}

/** How much speaks for "worse" and for "not worse", and how much longer it takes. */
function evidence(signal) {
  if (signal.word === "not measured") return null;
  const left = signal.seconds_left === null ? [] : [`about ${duration(signal.seconds_left)} at this rate`];
  return [`worse: ${strength(signal.e_worse, signal.e_needed)}`, `not worse: ${strength(signal.e_not_worse, signal.e_not_worse_needed)}`, ...left]
    .map((line) => html`<div class="hint">${line}</div>`);
}

function strength(value, needed) {
  return value >= 1000 * needed ? "beyond doubt" : `${value.toPrecision(2)} of ${Math.round(needed)}`;
}

function arm(figures, which) {
  if (!figures.requests) return html`<span class="hint">no requests</span>`;
  const keys = figures.events && figures.keys ? `, of ${plural(figures.keys, "key")}` : "";
  return [html`<span class=${`rate ${which}`}>${percent(figures.rate)}</span>`,
    html`<div class="hint">${`${figures.events.toLocaleString()} of ${figures.requests.toLocaleString()}${keys}`}</div>`,
    figures.p95 !== null && html`<div class="hint">${`p95 ${Math.round(1000 * figures.p95)} ms`}</div>`,
    (figures.worst ?? []).map((each) => html`<div class="hint key">${`${each.key}: ${each.events} of ${each.requests}`}</div>`)];
}

function Intervals({ signal }) {
  const pair = [["stable", signal.stable, 10], ["candidate", signal.candidate, 24]].filter(([, each]) => each.requests);
  if (!pair.length) return html`<span class="hint">–</span>`;
  const most = Math.max(0.001, ...pair.map(([, each]) => each.high)) * 1.05;
  const x = (rate) => (200 * rate) / most;
  const labels = pair.map(([which, each]) => `${which} ${percent(each.low)} to ${percent(each.high)}`);
  const mark = (which, from, to, top, bottom) => html`<line class=${`${which}-mark`} x1=${x(from)} y1=${top} x2=${x(to)} y2=${bottom}
    stroke-width="3" vector-effect="non-scaling-stroke" />`;
  return html`<svg viewBox="0 0 200 48" preserveAspectRatio="none" role="img" aria-label=${labels.join(", ")}>
      <line class="axis" x1="0" y1="34" x2="200" y2="34" />
      ${pair.map(([which, each, y]) => [mark(which, each.low, each.high, y, y), mark(which, each.rate, each.rate, y - 5, y + 5)])}
    </svg>
    ${labels.map((line) => html`<div class="hint">${line}</div>`)}`;
}

/** What pairs of responses have shown: the verdict, each signal, and requests that were answered differently. */
function Parity({ parity: { verdict, examples } }) {
  const tone = { equivalent: "good", different: "bad" }[verdict.standing] ?? "";
  const seen = verdict.signals.filter((each) => each.both || each.only_old || each.only_new || each.noise);
  const rows = seen.map((each) => ({ key: each.name, cells: [each.name, each.only_new, each.only_old, each.both, each.noise].map(String) }));
  return html`<p class=${`verdict ${tone}`}>${verdict.sentence}</p>
    <p class="hint">${verdict.pairs} pairs, and ${verdict.own_pairs} of the stable stack with itself</p>
    ${rows.length > 0 && html`<${Table} label="Signals of pairs" head=${["Signal", "Candidate only", "Stable only", "Both", "Stable against itself"]} rows=${rows} />`}
    ${examples.map((each, index) => html`<details id=${`example-${index}`}>
      <summary>Answered differently: ${each.pair.new.filter((name) => !each.pair.old.includes(name)).join(", ")}</summary>
      <pre tabindex="0">${each.request}</pre><div class="beside"><${Beside} old=${each.old} now=${each.new} /></div>
    </details>`)}`;
}

/** Two texts, with what lies between their common beginning and their common end marked. */
function Beside({ old, now }) {
  const least = Math.min(old.length, now.length);
  let front = 0;
  while (front < least && old[front] === now[front]) front++;
  let back = 0;
  while (back < least - front && old.at(-1 - back) === now.at(-1 - back)) back++;
  return [["Stable", old], ["Candidate", now]].map(([name, text]) => html`<div><h4>${name}</h4>
    <pre tabindex="0">${text.slice(0, front)}<mark>${text.slice(front, text.length - back)}</mark>${text.slice(text.length - back)}</pre></div>`);
}

function Events({ events }) {
  return html`<ol id="events">${[...events].reverse().map((event) => html`<li key=${event.id} class=${event.kind}><time datetime=${event.at}>${moment(event.at)}</time>${event.sentence}
    <details id=${`figures-${event.id}`}><summary>${words(event.kind)} by ${event.actor}, figures</summary>
      <pre tabindex="0">${JSON.stringify(event.figures, null, 2)}</pre></details></li>`)}</ol>`;
}
