// Messages on their way: written here, not yet brought by the feed. One outbox for each room, as long as the page is
// open, so that what could not be sent is still there for who comes back.
//
// A message goes under a key (`Idempotency-Key`), and so can be sent again when nobody knows whether it arrived. It is
// through when the feed brings it: known by its id, or, where the feed is faster than the answer, by its text. Two
// messages may say the same; then the answer tells which it was. They go one after the other, in the order in which they
// were written.

import { Problem, address, ask } from "../api.js";
import { sender, uuid } from "../identity.js";

const outboxes = new Map();

/** The outbox of a room. */
export function outboxOf(room) {
  if (!outboxes.has(room)) outboxes.set(room, new Outbox(room));
  return outboxes.get(room);
}

class Outbox {
  /** What was being written. */
  draft = "";
  /** Those that are not through; each has a `state`: `sending`, `sent`, `unsure` or `failed`. */
  items = [];
  /** Who shows them: it has `changed(item)`, `through(item)` and `has(id)`. */
  view = null;
  #room;
  #last = Promise.resolve();
  /** The newest id that the room has shown: what is sent after that has a greater one. */
  #newest = 0;
  /** Own messages that the feed has brought while something was on its way. */
  #brought = new Set();

  constructor(room) {
    this.#room = room;
  }

  send(content) {
    const item = { key: uuid(), content, sender_id: sender(), created_date: new Date().toISOString() };
    item.after = this.#newest;
    this.items.push(item);
    this.#go(item);
  }

  /** Sends it again, under the same key: it is written once. */
  again(item) {
    this.#go(item);
  }

  discard(item) {
    this.items = this.items.filter((other) => other !== item);
    if (this.items.length === 0) this.#brought.clear();
    this.view?.through(item);
  }

  /** The message on its way that the feed has brought with this one; null where there is none. */
  claim(message) {
    this.#newest = Math.max(this.#newest, message.id);
    if (this.items.length === 0) return null;
    this.#brought.add(message.id);
    const item = this.items.find(({ id }) => id === message.id) ?? this.items.find((item) => this.#looks(item, message));
    if (!item) return null;
    if (item.state === "sending") item.match = message.id;
    else this.items = this.items.filter((other) => other !== item);
    return item;
  }

  /** A page was read that has all which was sent before it was asked for. */
  read(before) {
    for (const item of this.items.filter(({ state, sentAt }) => state === "sent" && sentAt < before)) this.discard(item);
  }

  #looks({ state, match, id, after, sender_id: by, content }, message) {
    const open = (state === "sending" || state === "unsure") && match === undefined && id === undefined;
    return open && message.id > after && by === message.sender_id && content === message.content;
  }

  #go(item) {
    item.state = "sending";
    item.problem = null;
    this.view?.changed(item);
    this.#last = this.#last.then(() => this.#post(item));
  }

  async #post(item) {
    if (!this.items.includes(item)) return;
    const { key, content, sender_id } = item;
    const request = { method: "POST", body: { room: this.#room, content, sender_id }, headers: { "Idempotency-Key": key } };
    try {
      const { data } = await ask(address("message"), request);
      this.#answered(item, data.id);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.#failed(item, problem);
    }
  }

  /** The answer says which message it is. */
  #answered(item, id) {
    item.id = id;
    item.sentAt = performance.now();
    if (item.match === id || this.#brought.has(id)) return this.discard(item);
    // The feed has brought another that says the same: that one is not ours.
    item.match = undefined;
    item.state = "sent";
    this.view?.changed(item);
  }

  #failed(item, problem) {
    if (item.match !== undefined && problem.unsure) return this.discard(item);
    item.match = undefined;
    item.state = problem.unsure ? "unsure" : "failed";
    item.problem = problem;
    this.view?.changed(item);
  }
}
