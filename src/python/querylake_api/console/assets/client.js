// Requests to the API with the key of this tab, and polling that stays within one request a second.

const { Fragment, html, render, uPlot, useEffect, useRef, useState } = libraries;

const KEY = "querylake-key";
const INFERENCE_KEY = "querylake-playground-key";
const MIN_POLL_MS = 1000;

class ApiFailure extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const storedKey = () => sessionStorage.getItem(KEY);

/** Sends a request as the signed-in key, and returns the JSON of the response. */
async function request(path, { method = "GET", body, key = storedKey(), signal } = {}) {
  const headers = { authorization: `Bearer ${key}` };
  if (body !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (failure) {
    if (failure.name === "AbortError") throw failure;
    throw new ApiFailure("the server cannot be reached", 0);
  }
  const text = await response.text();
  let document_ = null;
  try {
    document_ = JSON.parse(text);
  } catch {
    if (response.ok) throw new ApiFailure("the response is not JSON", response.status);
  }
  if (response.ok) return document_;
  const message = document_?.error?.message ?? `status ${response.status}`;
  if (response.status === 401) signedOut(message);
  throw new ApiFailure(message, response.status);
}

let signedOut = () => {};
/** Says what happens once the server no longer accepts the key. */
function onSignedOut(callback) {
  signedOut = callback;
}

/**
 * Calls `load` now and again after each `ms`, while the tab is visible. Only ever one call at a time.
 * Returns what the last call returned, the failure since then if any, and a function that loads now.
 */
function usePoll(load, ms, deps) {
  const [state, setState] = useState({ value: null, failure: null, at: null });
  const now = useRef(() => {});
  useEffect(() => {
    let timer, running, ended = false;
    const controller = new AbortController();
    async function once() {
      clearTimeout(timer);
      if (running) return;
      running = true;
      try {
        if (!document.hidden) {
          const value = await load(controller.signal);
          if (!ended) setState({ value, failure: null, at: new Date() });
        }
      } catch (failure) {
        if (!ended && failure.name !== "AbortError") setState((old) => ({ ...old, failure }));
      }
      running = false;
      if (!ended) timer = setTimeout(once, Math.max(MIN_POLL_MS, ms));
    }
    now.current = once;
    const visible = () => { if (!document.hidden) once(); };
    document.addEventListener("visibilitychange", visible);
    once();
    return () => {
      ended = true;
      controller.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", visible);
    };
  }, deps);
  return { ...state, refresh: () => now.current() };
}
