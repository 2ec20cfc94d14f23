// API keys: creating, limiting and revoking them. A secret is shown once, when it is made.

const KEYS_MS = 10000;
const LIMITS = [
  ["requests_per_minute", "Requests a minute"], ["tokens_per_minute", "Tokens a minute"], ["concurrency", "Concurrent requests"],
];

/** Loads the keys, as many pages as there are, up to what a page can show. */
async function loadKeys(revoked, signal) {
  const { data, has_more: more } = await request(`/admin/keys?limit=500&include_revoked=${revoked}`, { signal });
  return { keys: data, more };
}

function KeysPage({ session }) {
  const [revoked, setRevoked] = useState(false);
  const poll = usePoll((signal) => loadKeys(revoked, signal), KEYS_MS, [revoked]);
  const [asked, setAsked] = useState(null);
  const [created, setCreated] = useState(null);
  function close(key) {
    setAsked(null);
    if (key?.key) setCreated(key);
    poll.refresh();
  }
  const { keys, more } = poll.value ?? {};
  const rows = (keys ?? []).map((key) => ({ key: key.id, cells: keyCells(key, session, setAsked) }));
  return html`
    <div class="title"><h1 tabindex="-1">Keys</h1><${Freshness} poll=${poll} /></div>
    ${created && html`<${NewSecret} created=${created} onClose=${() => setCreated(null)} />`}
    <section class="card"><div class="buttons first">
        <button id="create-key" type="button" class="primary" onClick=${() => setAsked({ kind: "create" })}>Create a key</button>
        <label><input id="show-revoked" type="checkbox" checked=${revoked} onChange=${(event) => setRevoked(event.target.checked)} /> Show revoked keys</label>
      </div>
      ${keys && (rows.length ? html`<${Table} label="Keys" head=${["Name", "Scopes", "Models", "Limits", "Expires", ""]} rows=${rows} />` : html`<${Empty}>There is no key yet.<//>`)}
      ${more && html`<p class="hint">These are the newest 500. <code>querylake_api.pex keys list</code> lists all.</p>`}
    </section>
    ${asked?.kind === "create" && html`<${KeyForm} onClose=${close} />`}
    ${asked?.kind === "change" && html`<${KeyForm} of=${asked.key} onClose=${close} />`}
    ${asked?.kind === "revoke" && html`<${RevokeKey} of=${asked.key} onClose=${close} />`}`;
}

function keyCells(key, session, ask) {
  const own = key.id === session.id;
  const expired = key.expires_at !== null && new Date(key.expires_at) <= new Date();
  return [
    html`${key.name} <span class="hint">${key.hint}</span>${own && html` <${Badge} tone="info">this one<//>`}<div class="hint">${key.id}</div>`,
    key.scopes.join(", "),
    key.models === null ? "all" : key.models.join(", "),
    html`<ul class="plain">${LIMITS.filter(([name]) => key[name] !== null).map(([name, label]) => html`<li>${label}: ${key[name] === 0 ? "no limit" : count(key[name])}</li>`)}
      ${LIMITS.every(([name]) => key[name] === null) && html`<li class="hint">defaults</li>`}</ul>`,
    key.revoked_at ? html`<${Badge} tone="bad">revoked<//> <span class="hint">${day(key.revoked_at)}</span>`
      : expired ? html`<${Badge} tone="wait">expired<//> <span class="hint">${day(key.expires_at)}</span>` : day(key.expires_at),
    key.revoked_at === null && html`<div class="row-buttons">
      <button type="button" class="small" id=${`change-${key.id}`} onClick=${() => ask({ kind: "change", key })} aria-label=${`Change ${key.name}`}>Change</button>
      <button type="button" class="small" id=${`revoke-${key.id}`} onClick=${() => ask({ kind: "revoke", key })} aria-label=${`Revoke ${key.name}`}>Revoke</button></div>`,
  ];
}

/** The only moment in which a secret can be read. */
function NewSecret({ created, onClose }) {
  const place = useRef(null);
  useEffect(() => place.current.focus(), [created.id]);
  return html`<section class="card new-secret" ref=${place} tabindex="-1" aria-labelledby="new-secret">
    <h2 id="new-secret">Key ${created.name} was created</h2>
    <p>Copy it now. It is not stored and cannot be shown again.</p>
    <div class="secret"><code id="secret">${created.key}</code><${CopyButton} text=${created.key} /></div>
    <div class="buttons"><button id="secret-done" type="button" class="small" onClick=${onClose}>I have stored it</button></div>
  </section>`;
}

/** Creates a key, or changes one if there is `of`. */
function KeyForm({ of, onClose }) {
  const form = useRef(null);
  const [failure, setFailure] = useState("");
  const [busy, setBusy] = useState(false);
  async function submit(event) {
    event.preventDefault();
    const value = (id) => form.current.querySelector(`#key-${id}`).value.trim();
    const number = (id) => (value(id) === "" ? null : Number(value(id)));
    const scopes = ["inference", "admin"].filter((scope) => form.current.querySelector(`#scope-${scope}`).checked);
    const models = value("models") ? value("models").split(",").map((each) => each.trim()).filter(Boolean) : null;
    const body = { name: value("name"), scopes, models, ...Object.fromEntries(LIMITS.map(([name]) => [name, number(name)])) };
    // An expiry that is left alone must not begin anew.
    if (!of || value("days") !== "") body.expires_in_days = number("days");
    setBusy(true);
    try {
      onClose(await request(`/admin/keys${of ? `/${of.id}` : ""}`, { method: of ? "PATCH" : "POST", body }));
    } catch (refused) {
      setFailure(refused.message);
      setBusy(false);
    }
  }
  const has = (scope) => (of ? of.scopes.includes(scope) : scope === "inference");
  return html`<${Dialog} id="key-form" title=${of ? `Change ${of.name}` : "Create a key"} onClose=${() => onClose()}>
    <form ref=${form} onSubmit=${submit}>
      <${Field} id="key-name" label="Name" hint="(who or what it is for)"><input id="key-name" data-first required maxlength="100" autocomplete="off" defaultValue=${of?.name ?? ""} /><//>
      <fieldset><legend>Opens</legend>
        <label><input id="scope-inference" type="checkbox" defaultChecked=${has("inference")} /> inference</label>
        <label><input id="scope-admin" type="checkbox" defaultChecked=${has("admin")} /> administration</label></fieldset>
      <${Field} id="key-models" label="Models" hint="(separated by commas; empty: all)"><input id="key-models" autocomplete="off" defaultValue=${of?.models?.join(", ") ?? ""} /><//>
      <${Field} id="key-days" label="Expires in days" hint=${of ? "(empty: as it is)" : "(empty: never)"}><input id="key-days" type="number" min="0.01" step="any" /><//>
      <div class="two">${LIMITS.map(([name, label]) => html`<${Field} id=${`key-${name}`} label=${label}><input id=${`key-${name}`} type="number" min="0" placeholder="default" defaultValue=${of?.[name] ?? ""} /><//>`)}</div>
      <p class="hint">Limits: empty means the configuration's default, 0 means no limit.</p>
      <p id="key-error" class="error" role="alert">${failure}</p>
      <div class="buttons"><button type="button" onClick=${() => onClose()}>Cancel</button>
        <button id="key-save" type="submit" class="primary" disabled=${busy}>${of ? "Save" : "Create"}</button></div>
    </form>
  <//>`;
}

function RevokeKey({ of, onClose }) {
  const [failure, setFailure] = useState("");
  async function revoke(event) {
    event.preventDefault();
    try {
      await request(`/admin/keys/${of.id}`, { method: "DELETE" });
      onClose();
    } catch (refused) {
      setFailure(refused.message);
    }
  }
  return html`<${Dialog} id="revoke" title=${`Revoke ${of.name}?`} onClose=${() => onClose()}>
    <form onSubmit=${revoke}><p>Within a second it opens nothing anywhere. This cannot be undone.</p>
      <p class="error" role="alert">${failure}</p>
      <div class="buttons"><button type="button" data-first onClick=${() => onClose()}>Cancel</button>
        <button id="revoke-yes" type="submit" class="danger">Revoke</button></div></form>
  <//>`;
}
