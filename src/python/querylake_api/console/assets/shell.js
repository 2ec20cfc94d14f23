// Signing in, navigation, and which page is shown.

const PAGES = [
  ["", "Overview", OverviewPage, "admin"],
  ["rollouts", "Rollouts", RolloutsPage, "admin"],
  ["keys", "Keys", KeysPage, "admin"],
  ["usage", "Usage", UsagePage, "any"],
  ["gates", "Gates", GatesPage, "admin"],
  ["playground", "Playground", PlaygroundPage, "any"],
];

const pathOf = (page) => (page ? `/ui/${page}` : "/ui");
const pageOf = (path) => path.replace(/^\/ui\/?/, "");

function App() {
  const [session, setSession] = useState(null);
  const [message, setMessage] = useState("");
  const [waiting, setWaiting] = useState(Boolean(storedKey()));

  async function signIn() {
    try {
      setSession(await request("/ui/session"));
      setMessage("");
    } catch (failure) {
      if (failure.status === 401 || failure.status === 403) signOut(failure.message);
      else setMessage(capital(failure.message));
    }
    setWaiting(false);
  }
  function signOut(why = "") {
    sessionStorage.removeItem(KEY);
    sessionStorage.removeItem(INFERENCE_KEY);
    setSession(null);
    setMessage(why);
  }
  useEffect(() => {
    onSignedOut(signOut);
    if (storedKey()) signIn();
  }, []);

  if (session) return html`<${Console} session=${session} signOut=${() => signOut()} />`;
  if (waiting) return html`<p class="loading" role="status">Signing in …</p>`;
  return html`<${SignIn} message=${message} signIn=${signIn} />`;
}

function SignIn({ message, signIn }) {
  const field = useRef(null);
  useEffect(() => {
    field.current.focus();
    document.title = "Sign in · QueryLake";
  }, []);
  function submit(event) {
    event.preventDefault();
    sessionStorage.setItem(KEY, field.current.value.trim());
    // Empty at once: a key that was refused is not mended but pasted again.
    field.current.value = "";
    field.current.focus();
    signIn();
  }
  return html`<main class="sign-in"><form id="login" class="card" onSubmit=${submit}>
    <h1>QueryLake</h1>
    <label for="key">API key</label>
    <input id="key" ref=${field} type="password" autocomplete="off" spellcheck=${false} placeholder="sk-…" required />
    <button class="primary" type="submit">Sign in</button>
    <p class="hint">An administrator's key opens everything; an inference key opens the playground and its own usage.
      The key is kept in this tab only, until you close it. <code>./querylake status</code> prints that of a local stack.</p>
    <p id="login-error" class="error" role="alert">${message}</p>
  </form></main>`;
}

function Console({ session, signOut }) {
  const admin = session.scopes.includes("admin");
  const open = PAGES.filter(([, , , scope]) => admin || scope === "any");
  const [page, setPage] = useState(pageOf(location.pathname));
  const [path, title, Content] = open.find(([each]) => each === page) ?? (admin ? open[0] : open.at(-1));
  const main = useRef(null);
  useEffect(() => {
    const moved = () => setPage(pageOf(location.pathname));
    addEventListener("popstate", moved);
    return () => removeEventListener("popstate", moved);
  }, []);
  useEffect(() => {
    document.title = `${title} · QueryLake`;
    // On a narrow screen the links scroll sideways.
    document.querySelector(".top nav a[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [title]);

  const go = (to) => (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.pushState(null, "", pathOf(to));
    setPage(to);
    scrollTo(0, 0);
    // For whoever listens rather than looks.
    setTimeout(() => main.current?.querySelector("h1")?.focus());
  };
  return html`<${Fragment}>
    <a class="skip" href="#main">Skip to content</a>
    <header class="top">
      <a class="brand" href="/ui" onClick=${go(open[0][0])}>QueryLake</a>
      <nav aria-label="Pages"><ul>${open.map(([each, name]) => html`<li key=${each}>
        <a href=${pathOf(each)} onClick=${go(each)} aria-current=${each === path ? "page" : null}>${name}</a></li>`)}
        <li><a href="/docs">API</a></li></ul></nav>
      <div class="who"><span class="hint" title=${`key ${session.id}`}>${session.name}</span>
        <button id="leave" type="button" class="small" onClick=${signOut}>Sign out</button></div>
    </header>
    <main id="main" ref=${main}><${Content} key=${path} session=${session} go=${go} /></main>
  <//>`;
}

render(html`<${App} />`, document.getElementById("app"));
