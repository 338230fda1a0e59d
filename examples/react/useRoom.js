// A room as a React hook: its newest messages, older ones on demand, and every change from then on.
//
//   const { messages, state, send, hasOlder, loadOlder } = useRoom("http://localhost:8000", "lobby");
//
// A page is read first, and the stream follows from the page's `Feed-Position`, so that nothing lies between the two.
// A change may be in both: each is applied by the message's id, and the last one decides. To connect again, and to go
// on where it was, is what an EventSource does by itself; only what it does not do is done here.

import { useCallback, useEffect, useReducer, useRef } from "react";

export function useRoom(url, room) {
  const [now, tell] = useReducer(reduce, NOTHING);
  const feed = useRef(null);

  useEffect(() => {
    tell({ type: "begin" });
    feed.current = follow(url, room, tell);
    return feed.current.stop;
  }, [url, room]);

  const send = useCallback((message) => post(url, { room, ...message }), [url, room]);
  return {
    messages: now.messages, // oldest first
    state: now.state, // "connecting", "live", "reconnecting" or "refused"
    send, // send({ content, sender_id }): the feed brings the message; a promise that fails if it is not written
    hasOlder: now.cursor !== null,
    loadOlder: () => feed.current.loadOlder(now.cursor),
  };
}

/** Tells of a room until it is stopped. */
function follow(url, room, tell) {
  // All that is under way belongs to a round, and ends with it.
  let round, asking;

  function begin() {
    round?.abort();
    round = new AbortController();
    asking = false;
    newest(round.signal);
  }

  async function page(signal, parameters) {
    const query = new URLSearchParams({ room, limit: 50, ...parameters });
    const answer = await call(`${url}/message?${query}`, { signal });
    const page = await answer.json();
    signal.throwIfAborted();
    return { page, position: answer.headers.get("Feed-Position") };
  }

  /** Reads the newest page, then the stream from there. */
  async function newest(signal) {
    try {
      const { page: newest, position } = await page(signal);
      tell({ type: "newest", page: newest });
      stream(signal, position);
    } catch (error) {
      if (signal.aborted) return;
      const refused = error.status < 500 && error.status !== 429;
      tell({ type: "state", state: refused ? "refused" : "reconnecting" });
      if (!refused) later(signal);
    }
  }

  function stream(signal, position) {
    const source = new EventSource(`${url}/stream?${new URLSearchParams({ room, last_event_id: position })}`);
    signal.addEventListener("abort", () => source.close());
    source.onmessage = ({ data }) => take(signal, JSON.parse(data));
    source.onerror = () => {
      tell({ type: "state", state: "reconnecting" });
      // An answer other than 200, like that of a proxy whose server is away, and the browser gives up for good.
      if (source.readyState === EventSource.CLOSED) later(signal);
    };
  }

  function later(signal) {
    const timer = setTimeout(begin, 1000 + 2000 * Math.random());
    signal.addEventListener("abort", () => clearTimeout(timer));
  }

  function take(signal, event) {
    const { type, data } = event;
    // Something cannot be told any more. `connected` says so too, should the connection be cut before `reset` is here.
    if (type === "reset" || (type === "connected" && !event.resumed)) return begin();
    if (type === "connected") return tell({ type: "state", state: "live" });
    // The end of the stream comes next, and the browser connects again.
    if (type === "bye") return tell({ type: "state", state: "reconnecting" });
    tell(event);
    if (data.content_omitted) whole(signal, data);
  }

  /** Reads a text that is too large for the stream. Where that fails, the message stays without one. */
  async function whole(signal, { id, event_id }) {
    const message = await call(`${url}/message/${id}`, { signal }).then((answer) => answer.json(), () => null);
    if (message && !signal.aborted) tell({ type: "whole", data: { event_id, content: message.content } });
  }

  async function loadOlder(cursor) {
    if (cursor === null || asking) return;
    const { signal } = round;
    asking = true;
    tell({ type: "asking" });
    const older = await page(signal, { cursor }).catch(() => ({ page: null }));
    if (signal.aborted) return;
    asking = false;
    tell({ type: "older", page: older.page });
  }

  begin();
  return { loadOlder, stop: () => round.abort() };
}

/** `since` is the oldest message that is here, where there are older ones; `meanwhile` what came while they are read. */
const NOTHING = { state: "connecting", messages: [], cursor: null, since: null, meanwhile: null };

function reduce(now, event) {
  switch (event.type) {
    case "begin":
      return NOTHING;
    case "state":
      return { ...now, state: event.state };
    case "newest":
      return joined({ ...NOTHING, state: now.state }, event.page);
    case "asking":
      return { ...now, meanwhile: [] };
    case "older":
      // The page may have been read before a change that is here already: what came meanwhile is applied again.
      return now.meanwhile.reduce(changed, { ...(event.page ? joined(now, event.page) : now), meanwhile: null });
    default:
      return changed({ ...now, meanwhile: now.meanwhile && [...now.meanwhile, event] }, event);
  }
}

/** With a page before what is here. */
function joined(now, page) {
  const here = new Set(now.messages.map(({ id }) => id));
  const older = page.messages.filter(({ id }) => !here.has(id)).reverse();
  const since = page.has_more ? page.messages.at(-1) : null;
  return { ...now, messages: [...older, ...now.messages], cursor: page.next_cursor, since };
}

/** After a change. What lies before the oldest message that is here will come with its page. */
function changed(now, { type, data }) {
  if (type === "truncated") return { ...now, messages: [], cursor: null, since: null };
  if (type === "whole") {
    const { event_id, content } = data;
    return { ...now, messages: now.messages.map((one) => (one.event_id === event_id ? { ...one, content } : one)) };
  }
  const messages = now.messages.filter(({ id }) => id !== data.id);
  if (type !== "deleted_message" && !(now.since && before(data, now.since))) {
    messages.splice(messages.findLastIndex((one) => before(one, data)) + 1, 0, data);
  }
  return { ...now, messages };
}

/** The order of pages. Dates are text of one form, so the order of the text is that of time. */
function before(one, other) {
  return one.created_date === other.created_date ? one.id < other.id : one.created_date < other.created_date;
}

/** Writes a message. It has a key, so it can be tried again, and is written once. */
async function post(url, message) {
  const key = `${Date.now()}-${Math.random()}`;
  const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
  for (let attempt = 1; ; attempt++) {
    try {
      const answer = await call(`${url}/message`, { method: "POST", headers, body: JSON.stringify(message) });
      return await answer.json();
    } catch (error) {
      if (error.status < 500 || attempt === 3) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000 * attempt));
    }
  }
}

async function call(url, options) {
  const answer = await fetch(url, options);
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(problem.detail ?? answer.statusText), { status: answer.status });
}
