// Numbers, times and words as people read them.

const words = (text) => text.replaceAll("_", " ");
const count = (number) => Math.round(number).toLocaleString();
const percent = (rate) => `${(100 * rate).toFixed(rate < 0.1 ? 2 : 1)}%`;
const share = (rate) => `${(100 * rate).toLocaleString(undefined, { maximumFractionDigits: 1 })}%`;
const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;

function moment(text) {
  return text === null ? "–" : new Date(text).toLocaleString(undefined, { dateStyle: "short", timeStyle: "medium" });
}

function day(text) {
  return text === null ? "never" : new Date(text).toLocaleDateString(undefined, { dateStyle: "medium" });
}

function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} minutes`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} hours` : `${Math.round(seconds / 86400)} days`;
}

function latency(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  return seconds < 1 ? `${Math.round(1000 * seconds)} ms` : `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
}

function capital(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : text;
}
