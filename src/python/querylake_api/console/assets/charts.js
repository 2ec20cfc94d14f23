// Lines over time, drawn by uPlot.

const LEAST_SECONDS = 600;

/** Returns the columns of a plot, at least ten minutes wide, so that the first points do not stand alone. */
function columns(times, series) {
  const short = times.length && times.at(-1) - times[0] < LEAST_SECONDS;
  const values = series.map((each) => (short ? [null, ...each.values] : each.values));
  return [short ? [times.at(-1) - LEAST_SECONDS, ...times] : times, ...values];
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * Draws series over time. `series` has, for each line, a label, the name of a colour and its values;
 * `format` makes a value readable.
 */
function Chart({ label, times, series, format }) {
  const element = useRef(null);
  const plot = useRef(null);
  const [dark, setDark] = useState(matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const changed = () => setDark(scheme.matches);
    scheme.addEventListener("change", changed);
    return () => scheme.removeEventListener("change", changed);
  }, []);
  useEffect(() => {
    // The reference is taken away before the observer is.
    const place = element.current;
    const axis = { stroke: colour("--faint"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    plot.current = new uPlot({
      width: place.clientWidth || 300,
      height: 150,
      legend: { show: false },
      cursor: { drag: { x: false, y: false } },
      scales: { y: { range: (_, low, high) => [0, Math.max(high || 0, 1e-3) * 1.15] } },
      axes: [axis, { ...axis, size: 58, values: (_, ticks) => ticks.map((tick) => format(tick)) }],
      series: [{}, ...series.map((each) => ({
        label: each.label, stroke: colour(each.colour), width: 2, points: { show: times.length < 3, size: 6 }, spanGaps: false,
      }))],
    }, columns(times, series), place);
    const size = new ResizeObserver(() => plot.current.setSize({ width: place.clientWidth, height: 150 }));
    size.observe(place);
    return () => {
      size.disconnect();
      plot.current.destroy();
    };
  }, [dark, times.length < 3]);
  useEffect(() => { plot.current?.setData(columns(times, series)); }, [times, series]);
  const last = series.map((each) => `${each.label} ${format(each.values.at(-1) ?? null)}`).join(", ");
  return html`<figure class="chart">
    <figcaption><b>${label}</b>
      ${series.map((each) => html`<span class="legend"><i class=${each.colour.slice(2)}></i>${each.label} ${format(each.values.at(-1) ?? null)}</span>`)}
    </figcaption>
    <div ref=${element} role="img" aria-label=${`${label}, now: ${last}`}></div>
  </figure>`;
}
