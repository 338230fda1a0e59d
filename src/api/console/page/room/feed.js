// The room's changes, from the page of its newest messages on: nothing lies between the two.
//
// The page says where the feed was before it was read, and the stream begins there. From then on the browser itself
// comes back with the last id it has seen. It gives up only when the stream is refused, without saying why; the reason
// is then asked for with a request that can tell. What passes is tried again, at the pace that the server names.

import { Problem, address, readMessages } from "../api.js";
import { ownSender, token } from "../identity.js";

/** Messages in the first page. */
const FIRST = 50;

/** Messages in those after it, and the most of them that are read to keep somebody's place. */
const [MORE, MOST] = [100, 20];

/** How long to wait before another try, where the server does not say: twice as long each time, up to the last. */
const [SOON, LATE] = [1_000, 30_000];

export class Feed {
  #room;
  #listener;
  #leaving;
  #source = null;
  #position = null;
  #timer = null;
  #wait = SOON;
  #state = {};

  /** `listener` has `begin(page)`, `change(event)`, `renew()`, `present(event)` and `state(state)`. */
  constructor(room, listener, leaving) {
    this.#room = room;
    this.#listener = listener;
    this.#leaving = leaving;
    leaving.addEventListener("abort", () => this.#stop());
    // Also where the stream still looks open: it was that of another network, perhaps.
    addEventListener("online", () => this.again(), { signal: leaving });
    addEventListener("offline", () => this.#say("offline"), { signal: leaving });
  }

  /** The newest messages as they are now; back to this one, if it is not too far. */
  async newest(back = null) {
    const page = await this.#read({ limit: FIRST });
    for (let more = 0; more < MOST && page.next_cursor && isNewer(page.messages.at(-1), back); more++) {
      const { messages, next_cursor } = await this.#read({ limit: MORE, cursor: page.next_cursor });
      page.messages.push(...messages);
      page.next_cursor = next_cursor;
    }
    return page;
  }

  /** Tries now what is to be tried later. */
  again() {
    this.#stop();
    return this.#position === null ? this.begin() : this.#listen();
  }

  /** Reads the newest messages, and follows. */
  async begin() {
    this.#say("connecting");
    try {
      const page = await this.newest();
      this.#position = page.position;
      this.#listener.begin(page);
      this.#listen();
    } catch (problem) {
      this.#failed(problem);
    }
  }

  #read(page) {
    return readMessages(this.#room, { ...page, signal: this.#leaving });
  }

  #stop() {
    this.#source?.close();
    clearTimeout(this.#timer);
  }

  #listen() {
    this.#stop();
    const where = { room: this.#room, last_event_id: this.#position, presence: true };
    const source = new EventSource(address("stream", { ...where, user_id: token() ? null : ownSender() }));
    source.onmessage = (message) => this.#take(message);
    source.onerror = () => (source.readyState === EventSource.CLOSED ? this.#refused() : this.#lost());
    this.#source = source;
  }

  #take({ data, lastEventId }) {
    const event = JSON.parse(data);
    this.#position = lastEventId || this.#position;
    switch (event.type) {
      case "connected":
        return this.#connected(event);
      case "reset":
        return this.#reset(event.reason);
      case "bye":
        return this.#say("moving", { detail: event.message });
      case "presence":
      case "user_joined":
      case "user_left":
        return this.#listener.present(event);
      default:
        return this.#listener.change(event, this.#position);
    }
  }

  #connected({ resumed }) {
    this.#wait = SOON;
    this.#say("live", { resumed: this.#state.since !== undefined && resumed });
  }

  /** What happened meanwhile cannot be told: it is read. If that fails, all begins anew, when it can. */
  async #reset(reason) {
    this.#say("reset", { reason });
    try {
      await this.#listener.renew();
      this.#say("live", { reread: reason });
    } catch (problem) {
      this.#stop();
      this.#position = null;
      this.#failed(problem);
    }
  }

  #lost() {
    if (!navigator.onLine) return this.#say("offline");
    if (this.#state.name === "connecting" || this.#state.name === "moving") return;
    this.#say("reconnecting");
  }

  /** The browser has given up: asks why. */
  async #refused() {
    try {
      await this.#read({ limit: 1 });
      this.#failed(new Problem(0, { detail: "the stream ended, and was not given again" }));
    } catch (problem) {
      this.#failed(problem);
    }
  }

  #failed(problem) {
    if (this.#leaving.aborted) return;
    if (!(problem instanceof Problem)) throw problem;
    if (!problem.passes) return this.#say("refused", { problem });
    const seconds = Math.max(problem.retryAfter ?? 0, this.#wait / 1000);
    this.#wait = Math.min(2 * this.#wait, LATE);
    this.#timer = setTimeout(() => this.again(), seconds * 1000);
    this.#say(navigator.onLine ? "refused" : "offline", { problem, seconds });
  }

  /** Tells a state, with since when the room is not live. */
  #say(name, more = {}) {
    const away = !["live", "connecting", "reset"].includes(name);
    const since = away ? (this.#state.since ?? new Date()) : name === "live" ? undefined : this.#state.since;
    this.#state = { name, since, position: this.#position, ...more };
    this.#listener.state(this.#state);
  }
}

function isNewer(message, than) {
  return than !== null && message !== undefined && message.created_date > than.created_date;
}
