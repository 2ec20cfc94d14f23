// What needs a human, engines, models, and the traffic of the last hours.

const OVERVIEW_MS = 2000;
const MAX_MINUTES = 180;
const TONES = { urgent: "bad", warning: "wait", notice: "info" };
const KINDS = { vllm: "vLLM", cpu_runtime: "CPU engine", ray: "Ray Serve" };

/** Loads the overview, and keeps the minutes that earlier responses have brought. */
function overviewLoader() {
  let minutes = [];
  return async (signal) => {
    const since = minutes.length ? minutes.at(-1).start : 0;
    const overview = await request(`/admin/overview?since=${since}`, { signal });
    const named = (row) => Object.fromEntries(overview.columns.map((name, index) => [name, row[index]]));
    const fresh = overview.minutes.map(named);
    const first = fresh[0]?.start ?? Infinity;
    minutes = [...minutes.filter((minute) => minute.start < first), ...fresh].slice(-MAX_MINUTES);
    return { ...overview, minute: named(overview.minute), minutes };
  };
}

function OverviewPage({ go }) {
  const [load] = useState(overviewLoader);
  const poll = usePoll(load, OVERVIEW_MS, []);
  const overview = poll.value;
  return html`
    <div class="title"><h1 tabindex="-1">Overview</h1><${Freshness} poll=${poll} /></div>
    ${overview && html`<${Fragment}>
      <${AttentionCard} items=${overview.attention} readiness=${overview.readiness} go=${go} />
      <${TrafficCard} minutes=${overview.minutes} minute=${overview.minute} />
      <${ModelsCard} models=${overview.models} go=${go} />
      <${EnginesCard} engines=${overview.engines} />
      <p class="hint">QueryLake ${overview.version}, configuration ${overview.generation}, up since ${moment(1000 * overview.started_at)}.
        Requests and shares are of this machine; engine states are as this worker process sees them.</p>
    <//>`}`;
}

function AttentionCard({ items, readiness, go }) {
  const state = { ready: ["good", "ready"], degraded: ["wait", "degraded"], unavailable: ["bad", "unavailable"] }[readiness];
  return html`<${Card} id="attention" title="Needs attention" aside=${html`<${Badge} tone=${state[0]}>${state[1]}<//>`}>
    ${items.length === 0 && html`<p class="all-well">Nothing. Engines, database and rollouts are as they should be.</p>`}
    <ul class="attention">${items.map((item) => html`<li key=${item.title} class=${TONES[item.level]}>
      <${Badge} tone=${TONES[item.level]}>${item.level}<//>
      <div><b>${item.title}</b><p>${capital(item.detail)}</p></div>
      ${item.page && html`<a href=${`/ui/${item.page}`} onClick=${go(item.page)}>Open ${item.page}</a>`}
    </li>`)}</ul>
  <//>`;
}

function TrafficCard({ minutes, minute }) {
  const all = [...minutes, minute];
  const times = all.map((each) => each.start);
  const rate = (name) => all.map((each) => Math.round((10 * 60 * each[name]) / Math.max(each.seconds, 5)) / 10);
  const requests = minutes.slice(-60).reduce((sum, each) => sum + each.requests, minute.requests);
  return html`<${Card} id="traffic" title="Traffic" aside=${html`<span class="hint">${plural(requests, "request")} in the last hour</span>`}>
    <div class="charts">
      <${Chart} label="Requests a minute" times=${times} format=${number}
        series=${[{ label: "all", colour: "--stable", values: rate("requests") },
          { label: "failed", colour: "--bad", values: rate("failures") }, { label: "rejected (4xx)", colour: "--wait", values: rate("rejected") }]} />
      <${Chart} label="Time to first token" times=${times} format=${latency}
        series=${[{ label: "p50", colour: "--stable", values: all.map((each) => each.first_token_p50) },
          { label: "p95", colour: "--candidate", values: all.map((each) => each.first_token_p95) }]} />
      <${Chart} label="Generated tokens a second" times=${times} format=${number}
        series=${[{ label: "tokens", colour: "--good", values: all.map((each) => Math.round((10 * each.tokens) / Math.max(each.seconds, 5)) / 10) }]} />
    </div>
  <//>`;
}

function number(value) {
  return value === null ? "–" : value.toLocaleString(undefined, { maximumFractionDigits: 1 });
}

function ModelsCard({ models, go }) {
  const rows = models.map((model) => ({
    key: model.id,
    cells: [
      html`${model.id}${model.aliases.map((alias) => html` <span class="hint">= ${alias}</span>`)}
        <div class="hint">${model.capabilities.join(", ")}</div>`,
      html`<ul class="targets">${model.targets.map((target) => html`<li key=${target.upstream + target.stack + target.model}>
        <span class=${target.stack}>${target.upstream}</span>
        <span class="hint">${target.stack}${target.serves ? "" : ", not serving"}</span>
        <progress max="1" value=${target.planned_share} class=${target.stack} aria-label=${`planned share of ${target.upstream}`}></progress>
        <span class="rate">${share(target.planned_share)}</span>
        <span class="hint">${target.share === null ? "no requests lately" : `${share(target.share)} of the last ${plural(requestsOf(model), "request")}`}</span>
      </li>`)}</ul>`,
      model.rollout ? html`<a href="/ui/rollouts" onClick=${go("rollouts")}>${model.rollout.title || "last rollout"}</a>
        <div><span class=${`word ${model.rollout.status}`}>${words(model.rollout.status)}</span></div>` : html`<span class="hint">none</span>`,
    ],
  }));
  return html`<${Card} id="models" title="Models">
    ${rows.length ? html`<${Table} label="Models" head=${["Model", "Targets and traffic shares", "Rollout"]} rows=${rows} />`
      : html`<${Empty}>No model is configured. Add a [models.…] section to the configuration.<//>`}
  <//>`;
}

const requestsOf = (model) => model.targets.reduce((sum, target) => sum + target.requests, 0);

function EnginesCard({ engines }) {
  const rows = engines.map((engine) => ({
    key: engine.name,
    cells: [
      html`${engine.name}<div class="hint">${KINDS[engine.kind] ?? engine.kind ?? "kind not known"}${engine.version ? ` ${engine.version}` : ""}</div>`,
      html`<${EngineState} engine=${engine} />`,
      html`${work(engine)}<div class="hint">${plural(engine.outstanding, "request")} from this worker</div>`,
      html`${engine.prefix_cache_hit_rate === null ? "–" : share(engine.prefix_cache_hit_rate)}`,
    ],
  }));
  return html`<${Card} id="engines" title="Engines">
    ${rows.length ? html`<${Table} label="Engines" head=${["Engine", "State and why", "Load", "Prefix cache hits"]} rows=${rows} />`
      : html`<${Empty}>No engine is configured. Add an [upstreams.…] section to the configuration.<//>`}
  <//>`;
}

function EngineState({ engine }) {
  const well = engine.in_rotation && engine.breaker === "closed" && engine.condition === "up";
  const tone = well ? "good" : engine.in_rotation && engine.breaker !== "open" ? "wait" : "bad";
  const exit = engine.last_exit;
  return html`<${Badge} tone=${tone}>${engine.condition}<//> <span class="hint">since ${moment(engine.since)}</span>
    <div>${engine.condition === "up" ? `Health probe: ${engine.detail}` : capital(engine.detail)}</div>
    ${engine.breaker !== "closed" && html`<div>Circuit breaker ${words(engine.breaker)}.</div>`}
    ${!well && engine.last_error && html`<div class="hint">Last error, ${moment(engine.last_error_at)}: ${engine.last_error}</div>`}
    ${engine.restarts > 0 && html`<div class="hint">${plural(engine.restarts, "restart")}, last seen ${moment(engine.last_restart_at)}</div>`}
    ${exit && html`<div class="hint">Last exit ${moment(exit.at)}: ${words(exit.reason)}${exit.detail ? `, ${exit.detail}` : ""}</div>`}`;
}

function work(engine) {
  if (engine.requests_running === null) return html`<span class="hint">not reported</span>`;
  return `${count(engine.requests_running)} running, ${count(engine.requests_waiting ?? 0)} waiting`;
}
