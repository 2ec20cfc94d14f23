// Chatting with a model, streamed, with the request as a program.

/** Sends a chat and calls `onChunk` with each JSON event of the stream. Returns the request's id. */
async function streamChat(body, key, signal, onChunk) {
  const response = await fetch("/v1/chat/completions", {
    method: "POST", signal, body: JSON.stringify(body),
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
  });
  const id = response.headers.get("x-request-id");
  if (!response.ok) {
    const failure = await response.json().catch(() => null);
    throw new ApiFailure(failure?.error?.message ?? `status ${response.status}`, response.status);
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    const lines = (rest + piece.value).split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data:") || line.slice(5).trim() === "[DONE]") continue;
      const event = JSON.parse(line.slice(5));
      if (event.error) throw new ApiFailure(event.error.message ?? "the stream broke off", 200);
      onChunk(event);
    }
  }
  return id;
}

function PlaygroundPage({ session }) {
  const own = session.scopes.includes("inference");
  const [key, setKey] = useState(own ? storedKey() : sessionStorage.getItem(INFERENCE_KEY));
  return html`<div class="title"><h1 tabindex="-1">Playground</h1></div>
    ${key ? html`<${Chat} apiKey=${key} />` : html`<${KeyForPlayground} onKey=${setKey} />`}`;
}

/** An administrator's key need not open inference. */
function KeyForPlayground({ onKey }) {
  const [failure, setFailure] = useState(null);
  async function create() {
    try {
      const body = { name: "console playground", scopes: ["inference"], expires_in_days: 1 };
      const created = await request("/admin/keys", { method: "POST", body });
      sessionStorage.setItem(INFERENCE_KEY, created.key);
      onKey(created.key);
    } catch (refused) {
      setFailure(refused);
    }
  }
  return html`<section class="card"><p>Your key administers, but does not open inference. Create a key for it that expires after a day and stays in this tab.</p>
    <button id="playground-key" class="primary" type="button" onClick=${create}>Create a key for the playground</button>
    <${Failure} of="No key" failure=${failure} /></section>`;
}

function Chat({ apiKey }) {
  const [models, setModels] = useState(null);
  const [failure, setFailure] = useState(null);
  const [model, setModel] = useState("");
  const [system, setSystem] = useState("");
  const [temperature, setTemperature] = useState("");
  const [maxTokens, setMaxTokens] = useState("512");
  const [draft, setDraft] = useState("");
  const [messages, setMessages] = useState([]);
  const [figures, setFigures] = useState(null);
  const abort = useRef(null);
  const [busy, setBusy] = useState(false);

  useEffect(() => {
    request("/v1/models", { key: apiKey }).then(({ data }) => {
      const chats = data.filter((each) => each.capabilities.includes("chat"));
      setModels(chats);
      setModel(chats[0]?.id ?? "");
    }, setFailure);
    return () => abort.current?.abort();
  }, []);

  const body = (turns) => ({
    model, stream: true,
    ...(temperature === "" ? {} : { temperature: Number(temperature) }),
    ...(maxTokens === "" ? {} : { max_tokens: Number(maxTokens) }),
    messages: [...(system ? [{ role: "system", content: system }] : []), ...turns.map(({ role, content }) => ({ role, content }))],
  });

  async function send(event) {
    event?.preventDefault();
    if (!draft.trim() || busy || !model) return;
    const turns = [...messages, { role: "user", content: draft }];
    const answer = { role: "assistant", content: "", reasoning: "" };
    setMessages([...turns, answer]);
    setDraft("");
    setFailure(null);
    setFigures(null);
    setBusy(true);
    abort.current = new AbortController();
    const began = performance.now();
    let first = null, tokens = 0, finish = null, usage = null;
    const show = () => setMessages([...turns, { ...answer }]);
    try {
      const id = await streamChat(body(turns), apiKey, abort.current.signal, (chunk) => {
        usage = chunk.usage ?? usage;
        const choice = chunk.choices?.[0];
        if (!choice) return;
        finish = choice.finish_reason ?? finish;
        const reasoning = choice.delta?.reasoning_content ?? choice.delta?.reasoning ?? "";
        if (!choice.delta?.content && !reasoning) return;
        first ??= performance.now();
        tokens += 1;
        answer.content += choice.delta.content ?? "";
        answer.reasoning += reasoning;
        show();
      });
      const total = usage?.completion_tokens ?? tokens;
      const seconds = (performance.now() - (first ?? began)) / 1000;
      setFigures({ id, first: first === null ? null : (first - began) / 1000, tokens: total, rate: tokens > 1 ? total / seconds : null, finish });
    } catch (broken) {
      if (broken.name === "AbortError") setFigures({ stopped: true });
      else setFailure(broken.message ? broken : new ApiFailure("the connection was lost", 0));
      if (!answer.content) {
        setMessages(messages);
        setDraft(draft);
      }
    }
    setBusy(false);
    document.getElementById("prompt")?.focus();
  }
  function submitByKey(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
  }

  if (models?.length === 0) return html`<${Empty}>This key may use no model that chats.<//>`;
  // What would be sent now; without a draft, what was sent last.
  const last = messages.findLastIndex((each) => each.role === "user");
  const turns = draft || last < 0 ? [...messages, { role: "user", content: draft || "Hello!" }] : messages.slice(0, last + 1);
  return html`<div class="playground">
    <section class="card chat">
      <ol id="messages" aria-live="polite" aria-busy=${busy}>${messages.map((each, index) => html`<li key=${index} class=${each.role}>
        <span class="hint">${each.role === "user" ? "You" : model}</span>
        ${each.reasoning && html`<details><summary>Reasoning</summary><p class="text">${each.reasoning}</p></details>`}
        <p class="text">${each.content || (busy && index === messages.length - 1 ? "…" : "")}</p></li>`)}</ol>
      ${messages.length === 0 && html`<${Empty}>Write a message. Nothing is kept: the chat ends with this page.<//>`}
      <${Failure} of="No response" failure=${failure} />
      <p id="figures" class="hint" role="status">${figures && (figures.stopped ? "Stopped; the engine was told." :
        [`first token after ${latency(figures.first)}`, plural(figures.tokens, "token"), figures.rate && `${figures.rate.toFixed(1)} a second`,
          figures.finish === "length" && "cut at the maximum length", figures.id && `request ${figures.id}`].filter(Boolean).join(" · "))}</p>
      <form id="chat" onSubmit=${send}>
        <label for="prompt" class="unseen">Message</label>
        <textarea id="prompt" rows="3" placeholder="Message (Enter sends, Shift+Enter begins a line)" value=${draft}
          onInput=${(event) => setDraft(event.target.value)} onKeyDown=${submitByKey}></textarea>
        <div class="buttons">
          ${busy ? html`<button id="stop" type="button" class="danger" onClick=${() => abort.current.abort()}>Stop</button>`
            : html`<button id="send" type="submit" class="primary" disabled=${!draft.trim()}>Send</button>`}
          <button type="button" disabled=${busy || !messages.length} onClick=${() => { setMessages([]); setFigures(null); setFailure(null); }}>New chat</button>
        </div>
      </form>
    </section>
    <div class="side">
      <section class="card">
        <${Field} id="model" label="Model"><select id="model" value=${model} onChange=${(event) => setModel(event.target.value)}>
          ${(models ?? []).map((each) => html`<option value=${each.id}>${each.id}${each.root === each.id ? "" : ` (${each.root})`}</option>`)}</select><//>
        <${Field} id="system" label="System prompt"><textarea id="system" rows="2" value=${system} onInput=${(event) => setSystem(event.target.value)}></textarea><//>
        <div class="two"><${Field} id="temperature" label="Temperature"><input id="temperature" type="number" min="0" max="2" step="0.1" placeholder="default" value=${temperature} onInput=${(event) => setTemperature(event.target.value)} /><//>
        <${Field} id="max-tokens" label="Maximum tokens"><input id="max-tokens" type="number" min="1" placeholder="none" value=${maxTokens} onInput=${(event) => setMaxTokens(event.target.value)} /><//></div>
      </section>
      <${Snippets} body=${body(turns)} />
    </div>
  </div>`;
}

function Snippets({ body }) {
  const [chosen, setChosen] = useState("curl");
  const text = SNIPPETS.find(([name]) => name === chosen)[1](body);
  return html`<section class="card" aria-labelledby="as-code"><header><h2 id="as-code">This request as code</h2><${CopyButton} text=${text} /></header>
    <div class="choices" role="group" aria-label="Language">${SNIPPETS.map(([name]) => html`<button type="button" class="small" aria-pressed=${name === chosen} onClick=${() => setChosen(name)}>${name}</button>`)}</div>
    <pre id="snippet" tabindex="0">${text}</pre>
    <p class="hint">Put a key into the variable <code>${KEY_VARIABLE}</code> first.</p></section>`;
}
