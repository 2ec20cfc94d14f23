// Pieces that several pages are made of. Text is only ever set as text: nothing shown can be markup.

function Badge({ tone, children }) {
  return html`<span class=${`badge ${tone}`}>${children}</span>`;
}

function Card({ title, id, aside, children }) {
  return html`<section class="card" aria-labelledby=${id}>
    <header><h2 id=${id}>${title}</h2>${aside}</header>
    ${children}
  </section>`;
}

function Failure({ of, failure }) {
  return failure ? html`<p class="error" role="alert">${of}: ${failure.message}</p>` : null;
}

function Empty({ children }) {
  return html`<p class="empty">${children}</p>`;
}

/** A table that becomes a list of cards on a narrow screen. Rows are lists of cells, the first its name. */
function Table({ head, rows, label }) {
  return html`<table aria-label=${label}>
    <thead><tr>${head.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
    <tbody>${rows.map(({ key, cells }) => html`<tr key=${key}>
      ${cells.map((cell, index) => index ? html`<td data-name=${head[index]}>${cell}</td>` : html`<th scope="row">${cell}</th>`)}
    </tr>`)}</tbody>
  </table>`;
}

function Field({ id, label, hint, children }) {
  return html`<div class="field"><label for=${id}>${label}${hint ? html` <span class="hint">${hint}</span>` : ""}</label>${children}</div>`;
}

/** A modal dialog that gives the focus back to where it was. */
function Dialog({ id, title, onClose, children }) {
  const element = useRef(null);
  useEffect(() => {
    const before = document.activeElement?.id;
    element.current.showModal();
    element.current.querySelector("[data-first]")?.focus();
    return () => {
      if (before) setTimeout(() => document.getElementById(before)?.focus());
    };
  }, []);
  return html`<dialog id=${id} ref=${element} aria-labelledby=${`${id}-title`} onClose=${onClose}>
    <h2 id=${`${id}-title`}>${title}</h2>
    ${children}
  </dialog>`;
}

function CopyButton({ text, children }) {
  const [done, setDone] = useState(false);
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      setDone(true);
      setTimeout(() => setDone(false), 2000);
    } catch {
      setDone(false);
    }
  }
  return html`<button type="button" class="small" onClick=${copy}>${done ? "Copied" : children ?? "Copy"}</button>`;
}

function Freshness({ poll }) {
  if (poll.failure) return html`<p id="connection" class="lost" role="status">Not up to date: ${poll.failure.message}</p>`;
  return html`<p id="connection" role="status">${poll.at ? `as of ${poll.at.toLocaleTimeString()}` : "loading …"}</p>`;
}
