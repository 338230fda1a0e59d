// Asks the server, and says in words what went wrong.
//
// All addresses are relative to the page: it may be served behind a prefix.

/** What a request may take before it counts as lost. */
const PATIENCE = 30_000;

/** Why a request failed: the server's problem document (RFC 9457), or that there was no answer (`status` 0). */
export class Problem extends Error {
  constructor(status, { title = "", detail = "", errors = [] } = {}, retryAfter = null) {
    super(detail || title || `the server answered ${status}`);
    this.name = "Problem";
    this.status = status;
    this.errors = errors;
    /** Seconds, where the server said them. */
    this.retryAfter = retryAfter;
  }

  /** Whether the same may work later. */
  get passes() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }

  /** Whether nobody knows if the server did what it was asked to. */
  get unsure() {
    return this.status === 0 || this.status >= 500;
  }
}

/** The address of a path, with these parameters; those that are null are left out. */
export function address(path, parameters = {}) {
  const url = new URL(path, document.baseURI);
  url.hash = "";
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  return url.href;
}

/** Asks, and returns the answer's JSON and headers; throws a `Problem`, or an `AbortError` where `signal` ended it. */
export async function ask(url, { method = "GET", body, headers = {}, signal } = {}) {
  const late = AbortSignal.timeout(PATIENCE);
  const json = body === undefined ? {} : { "Content-Type": "application/json" };
  const request = { method, headers: { ...json, ...headers }, body: body && JSON.stringify(body), cache: "no-store" };
  request.signal = signal ? AbortSignal.any([signal, late]) : late;
  try {
    const answer = await fetch(url, request);
    if (!answer.ok) throw await problem(answer);
    return { data: answer.status === 204 ? null : await answer.json(), headers: answer.headers };
  } catch (error) {
    if (error instanceof Problem) throw error;
    signal?.throwIfAborted();
    const detail = late.aborted ? "the server did not answer in time" : "the server cannot be reached";
    throw new Problem(0, { detail });
  }
}

async function problem(answer) {
  const retryAfter = Number(answer.headers.get("Retry-After")) || null;
  const said = await answer.json().catch(() => ({}));
  return new Problem(answer.status, said, retryAfter);
}

/** A page of a room's messages, newest first as the server has it, and where the feed was before it was read. */
export async function readMessages(room, { cursor, limit, signal }) {
  const { data, headers } = await ask(address("message", { room, limit, cursor }), { signal });
  return { ...data, position: headers.get("Feed-Position") };
}
