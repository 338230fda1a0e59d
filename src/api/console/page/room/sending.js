// Shows the messages that are on their way, as the last rows of the list.

import { mark } from "./row.js";

/** Shows an outbox in a list, until `leaving`. */
export class Sending {
  #outbox;
  #list;
  #rows = new Map();

  constructor(outbox, list, leaving) {
    this.#outbox = outbox;
    this.#list = list;
    outbox.view = this;
    leaving.addEventListener("abort", () => outbox.view === this && (outbox.view = null));
    // What was on its way when the room was left is shown by the feed, or when it fails.
    for (const item of outbox.items.filter(({ state }) => state !== "sending" && state !== "sent")) this.changed(item);
  }

  /** The row of a message that the feed brings becomes the message's own. */
  take(message) {
    const item = this.#outbox.claim(message);
    const row = item && this.#rows.get(item);
    if (!row) return;
    this.#rows.delete(item);
    this.#list.adopt(message.id, row);
  }

  changed(item) {
    if (!this.#rows.has(item)) {
      this.#list.write(() => this.#rows.set(item, this.#list.add(item)));
    }
    const row = this.#rows.get(item);
    row.dataset.state = item.state;
    this.#list.write(() => mark(row, ...this.#words(item)));
  }

  through(item) {
    const row = this.#rows.get(item);
    if (row) this.#list.write(() => this.#list.discard(row));
    this.#rows.delete(item);
  }

  #words(item) {
    if (item.state === "sending") return ["Sending…"];
    if (item.state === "sent") return ["Sent"];
    const again = ["Try again", () => this.#outbox.again(item)];
    const buttons = [again, ["Discard", () => this.#outbox.discard(item)]];
    const text = item.state === "unsure" ? "Perhaps not sent" : "Not sent";
    return [`${text}: ${item.problem.message} `, buttons, "bad"];
  }
}
