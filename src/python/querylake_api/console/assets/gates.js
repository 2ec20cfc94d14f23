// The gates of an upgrade: whether a promotion is allowed, and by which evidence.

const GATES_MS = 60000;
const STATE_TONES = { done: "good", "not needed": "good", failing: "bad", stale: "wait", "not checkable": "wait", open: "info" };

function GatesPage() {
  const insist = useRef(false);
  const [busy, setBusy] = useState(false);
  const poll = usePoll(async (signal) => {
    const fresh = insist.current;
    insist.current = false;
    try {
      return await request(`/admin/gates?fresh=${fresh}`, { signal });
    } finally {
      setBusy(false);
    }
  }, GATES_MS, []);
  function check() {
    insist.current = true;
    setBusy(true);
    poll.refresh();
  }
  const state = poll.value;
  return html`
    <div class="title"><h1 tabindex="-1">Gates</h1><${Freshness} poll=${poll} /></div>
    ${state && !state.configured && html`<section class="card"><p>No gates are configured. Set <code>gates_command</code> in <code>[rollouts]</code>, for example:</p>
      <pre>gates_command = ["upgrade_gates.pex", "evidence", "fresh", "--for", "promotion"]</pre>
      <p class="hint">Without it, a promotion needs a person's name who overrides the gates.</p></section>`}
    ${state?.configured && html`<${Fragment}>
      <section class="card">
        <p id="gates-verdict" class=${`verdict first ${state.holds ? "good" : "bad"}`}>${state.holds ? "The gates hold: a promotion is allowed." : capital(`${state.refusal}.`)}</p>
        <p class="hint">Checked ${moment(state.checked_at)} with <code>${state.command.join(" ").slice(0, 200)}</code></p>
        <div class="buttons"><button id="check-gates" type="button" disabled=${busy} onClick=${check}>${busy ? "Checking …" : "Check now"}</button></div>
      </section>
      ${state.document && typeof state.document === "object" && html`<${GateDocument} document_=${state.document} />`}
    <//>`}`;
}

/** What `upgrade_gates evidence fresh` prints; of another program, whatever it prints. */
function GateDocument({ document_ }) {
  const gates = Array.isArray(document_.gates) ? document_.gates : [];
  const missing = Array.isArray(document_.missing) ? document_.missing : [];
  const damaged = Array.isArray(document_.damaged) ? document_.damaged : [];
  return html`
    ${missing.length + damaged.length > 0 && html`<${Card} id="missing" title="Missing"><ul class="missing">${[...missing, ...damaged].map((each) => html`<li>${String(each)}</li>`)}</ul><//>`}
    ${gates.map((gate) => html`<${Card} key=${gate.gate} id=${`gate-${gate.gate}`} title=${`Gate ${gate.gate}${gate.title ? `: ${gate.title}` : ""}`}
        aside=${html`<${Badge} tone=${gate.holds ? "good" : "wait"}>${gate.holds ? "holds" : "does not hold"}<//>`}>
      <${Table} label=${`Gate ${gate.gate}`} head=${["Line", "State", "Evidence", "For"]} rows=${(gate.lines ?? []).map(gateRow)} />
      ${gate.oldest_evidence && html`<p class="hint">Oldest evidence: ${moment(gate.oldest_evidence)}</p>`}
    <//>`)}
    ${gates.length === 0 && html`<pre tabindex="0">${JSON.stringify(document_, null, 2)}</pre>`}
    ${document_.artefacts && html`<${Card} id="artefacts" title="Artefacts"><${Digests} of=${document_.artefacts} /><//>`}`;
}

function gateRow(line) {
  return { key: line.id, cells: [line.id, html`<${Badge} tone=${STATE_TONES[line.state] ?? "info"}>${words(String(line.state))}<//>`,
    line.record ?? html`<span class="hint">none</span>`, html`<${Digests} of=${line.artefacts ?? {}} />`] };
}

function Digests({ of }) {
  return html`<ul class="plain digests">${Object.entries(of).map(([name, digest]) => html`<li>${name} <code title=${String(digest)}>${String(digest).slice(0, 12)}</code></li>`)}</ul>`;
}
