// Rollouts: the list, one of them, and what an operator can do with it.

const ROLLOUT_MS = 1000;
const ACTIONS = {
  start: ["Start", "The first share of the traffic goes to the candidate.", "primary"],
  pause: ["Pause", "The shares stay as they are. What harms is still rolled back.", ""],
  resume: ["Resume", "Steps advance again.", "primary"],
  promote: ["Promote", "The candidate gets all of the traffic.", "primary"],
  rollback: ["Roll back", "New requests go to the stable stack at once. Streams under way finish.", "danger"],
  abort: ["Abort", "Ends without a verdict. Everything goes to the stable stack.", ""],
};

/**
 * Loads what the page shows, one request for each call: the list, then the events of the chosen
 * rollout since the last ones, then its pairs, and so on.
 */
function rolloutsLoader(chosen) {
  let shown = { rollouts: null, events: [], parity: null, of: null };
  let turn = 0;
  return async (signal) => {
    const picked = shown.rollouts?.some((each) => each.id === chosen.current) ? chosen.current : shown.rollouts?.[0]?.id ?? null;
    if (picked !== shown.of) {
      shown = { ...shown, events: [], parity: null, of: picked };
      turn = 1;
    }
    const paired = Boolean(shown.rollouts?.find((each) => each.id === picked)?.plan.parity);
    if (picked === null || turn % (paired ? 3 : 2) === 0) {
      shown = { ...shown, rollouts: (await request("/admin/rollouts", { signal })).data };
    } else if (turn % (paired ? 3 : 2) === 1) {
      const after = shown.events.at(-1)?.id ?? 0;
      const { data } = await request(`/admin/rollouts/${picked}/events?after=${after}`, { signal });
      if (data.length) shown = { ...shown, events: [...shown.events, ...data] };
    } else {
      shown = { ...shown, parity: await request(`/admin/parity/rollouts/${picked}`, { signal }) };
    }
    turn += 1;
    return shown;
  };
}

function RolloutsPage() {
  const [chosen, setChosen] = useState(null);
  const current = useRef(null);
  const [load] = useState(() => rolloutsLoader(current));
  const [asked, setAsked] = useState(null);
  const poll = usePoll(load, ROLLOUT_MS, []);
  function pick(id) {
    current.current = id;
    setChosen(id);
    poll.refresh();
  }
  const { rollouts, events, parity, of } = poll.value ?? { rollouts: null, events: [] };
  const rollout = rollouts?.find((each) => each.id === chosen) ?? rollouts?.[0];
  return html`
    <div class="title"><h1 tabindex="-1">Rollouts</h1><${Freshness} poll=${poll} /></div>
    ${rollouts?.length === 0 && html`<${Empty}>There is no rollout yet. Create one with <code>querylake_api.pex rollout create PLAN.json</code>.<//>`}
    ${rollout && html`<div class="beside-list">
      <nav aria-label="All rollouts"><ul id="list">${rollouts.map((each) => html`<li key=${each.id}>
        <button type="button" id=${`pick-${each.id}`} aria-current=${each.id === rollout.id} onClick=${() => pick(each.id)}>
          <span>${each.plan.title || each.model}</span>
          <span class="hint"><span class=${`word ${each.status}`}>${words(each.status)}</span>${each.plan.title ? ` ${each.model} · ` : " "}${moment(each.started_at ?? each.created_at)}</span>
        </button></li>`)}</ul></nav>
      <section id="detail"><${Rollout} rollout=${rollout} events=${of === rollout.id ? events : []} parity=${of === rollout.id ? parity : null} ask=${setAsked} /></section>
    </div>`}
    ${asked && html`<${ConfirmAction} rollout=${asked.rollout} action=${asked.action} onClose=${() => setAsked(null)} refresh=${poll.refresh} />`}`;
}

function Rollout({ rollout, events, parity, ask }) {
  return html`
    <div class="heading"><h2>${rollout.plan.title || rollout.model}</h2>
      <span class=${`word ${rollout.status}`}>${words(rollout.status)}</span>
      <span>${rollout.percent}% of ${rollout.model} on ${rollout.candidates.join(", ")}</span>
      <p class="hint">${rollout.id}</p></div>
    ${rollout.allowed.length > 0 && html`<div class="buttons">${rollout.allowed.map((action) => html`<${ActionButton} key=${action} rollout=${rollout} action=${action} ask=${ask} />`)}</div>`}
    <${Verdict} rollout=${rollout} events=${events} />
    <h3>Course</h3><${Steps} rollout=${rollout} />
    ${rollout.judgement && html`<h3>Both stacks, this step</h3><${Arms} signals=${rollout.judgement.signals} />`}
    ${parity && html`<h3 id="parity">Same responses?</h3><${Parity} parity=${parity} />`}
    <h3>Events</h3><${Events} events=${events} />`;
}

function ActionButton({ rollout, action, ask }) {
  const [name, , usual] = ACTIONS[action];
  const look = action === "promote" && rollout.judgement?.next !== "finish" ? "" : usual;
  return html`<button type="button" class=${look} id=${`do-${action}`} onClick=${() => ask({ rollout, action })}>${name}</button>`;
}

function ConfirmAction({ rollout, action, onClose, refresh }) {
  const [name, meaning, look] = ACTIONS[action];
  const [failure, setFailure] = useState("");
  const [busy, setBusy] = useState(false);
  const form = useRef(null);
  async function submit(event) {
    event.preventDefault();
    const reason = form.current.querySelector("#reason").value;
    const by = form.current.querySelector("#override-by")?.value;
    setBusy(true);
    try {
      const override = by ? { override_by: by, override_reason: reason || null } : {};
      await request(`/admin/rollouts/${rollout.id}/${action}`, { method: "POST", body: { reason, ...override } });
      onClose();
      refresh();
    } catch (refused) {
      setFailure(refused.message);
      setBusy(false);
    }
  }
  return html`<${Dialog} id="confirm" title=${`${name} ${rollout.model}?`} onClose=${onClose}>
    <form id="confirm-form" ref=${form} onSubmit=${submit}>
      <p>${meaning}</p>
      <${Field} id="reason" label="Reason" hint="(kept with the event)"><input id="reason" data-first autocomplete="off" maxlength="1000" /><//>
      ${action === "promote" && html`<${Field} id="override-by" label="Overridden by" hint="(only if the gates do not hold)"><input id="override-by" autocomplete="off" maxlength="100" /><//>`}
      <p id="confirm-error" class="error" role="alert">${failure}</p>
      <div class="buttons"><button id="confirm-no" type="button" onClick=${onClose}>Cancel</button>
        <button id="confirm-yes" type="submit" class=${look || "primary"} disabled=${busy}>${name}</button></div>
    </form>
  <//>`;
}
