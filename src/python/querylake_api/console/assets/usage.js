// What was used: by key, model and day, as a table and as CSV.

const USAGE_MS = 60000;
const GROUPINGS = [["day", "Day"], ["model", "Model"], ["key", "Key"]];
const PERIODS = [["1", "Last 24 hours"], ["7", "Last 7 days"], ["30", "Last 30 days"], ["365", "Last year"]];
const FIGURES = [
  ["requests", "Requests", count], ["failures", "Failures", count], ["prompt_tokens", "Prompt tokens", count],
  ["completion_tokens", "Completion tokens", count], ["first_token_p50", "First token p50", latency], ["seconds_p95", "Duration p95", latency],
];

function UsagePage({ session }) {
  const admin = session.scopes.includes("admin");
  const groupings = admin ? GROUPINGS : GROUPINGS.filter(([name]) => name !== "key");
  const [groups, setGroups] = useState(["day", "model"]);
  const [days, setDays] = useState("30");
  async function load(signal) {
    const from = new Date(Date.now() - 864e5 * Number(days)).toISOString();
    const by = groups.map((each) => `&group_by=${each}`).join("");
    const usage = await request(`${admin ? "/admin" : "/v1"}/usage?from=${from}${by}`, { signal });
    return { usage, groups };
  }
  const poll = usePoll(load, USAGE_MS, [groups.join(), days]);
  const names = useKeyNames(admin && groups.includes("key"));
  const toggle = (name) => setGroups(groups.includes(name) ? groups.filter((each) => each !== name) : [...groups, name]);
  const data = poll.value?.usage.data ?? [];
  const shown = poll.value?.groups ?? groups;
  return html`
    <div class="title"><h1 tabindex="-1">${admin ? "Usage" : "Your usage"}</h1><${Freshness} poll=${poll} /></div>
    <section class="card">
      <div class="buttons first">
        <label for="period" class="unseen">Period</label>
        <select id="period" value=${days} onChange=${(event) => setDays(event.target.value)}>${PERIODS.map(([value, name]) => html`<option value=${value}>${name}</option>`)}</select>
        <div class="choices" role="group" aria-label="Group by"><span class="hint">by</span>
          ${groupings.map(([name, label]) => html`<button type="button" class="small" id=${`by-${name}`} aria-pressed=${groups.includes(name)} onClick=${() => toggle(name)}>${label}</button>`)}</div>
        <button id="csv" type="button" class="small" disabled=${!data.length} onClick=${() => download(csvOf(data, shown, names), `usage-by-${shown.join("-") || "total"}.csv`)}>Download CSV</button>
      </div>
      ${poll.value && (data.length ? html`<${UsageTable} data=${data} groups=${shown} names=${names} />` : html`<${Empty}>There were no requests in this period.<//>`)}
      <p class="hint">Days are of UTC. Tokens are as engines count them. Records arrive within seconds after a request ends.</p>
    </section>`;
}

/** Returns the names of keys by id; empty until they are there. */
function useKeyNames(wanted) {
  const [names, setNames] = useState({});
  useEffect(() => {
    if (!wanted) return;
    loadKeys(true).then(({ keys }) => setNames(Object.fromEntries(keys.map((key) => [key.id, key.name]))), () => {});
  }, [wanted]);
  return names;
}

function UsageTable({ data, groups, names }) {
  const label = Object.fromEntries(GROUPINGS);
  const head = [...(groups.length ? groups.map((name) => label[name]) : ["Total"]), ...FIGURES.map(([, name]) => name)];
  const most = Math.max(...data.map((each) => each.requests));
  const rows = data.map((each) => ({
    key: JSON.stringify(each.group),
    cells: [...(groups.length ? groups.map((name) => groupText(name, each.group[name], names)) : ["all requests"]),
      ...FIGURES.map(([name, , format]) => html`<span class="rate plain">${format(each[name])}</span>${name === "requests" && html`<progress max=${most} value=${each.requests} aria-hidden="true"></progress>`}`)],
  }));
  return html`<div class="wide"><${Table} label="Usage" head=${head} rows=${rows} /></div>`;
}

function groupText(name, value, names) {
  if (name === "day") return value.slice(0, 10);
  return name === "key" ? names[value] ?? value : value;
}

/** Returns the rows as CSV (RFC 4180), with ids of keys beside their names. */
function csvOf(data, groups, names) {
  const keyed = groups.includes("key");
  const head = [...groups, ...(keyed ? ["key_name"] : []), ...FIGURES.map(([name]) => name)];
  const rows = data.map((each) => [
    ...groups.map((name) => (name === "day" ? groupText(name, each.group[name], names) : each.group[name])),
    ...(keyed ? [names[each.group.key] ?? ""] : []), ...FIGURES.map(([name]) => each[name] ?? "")]);
  return [head, ...rows].map((row) => row.map(csvCell).join(",")).join("\r\n") + "\r\n";
}

function csvCell(value) {
  // A spreadsheet takes text that begins so for a formula, and names are of others.
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function download(text, name) {
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
