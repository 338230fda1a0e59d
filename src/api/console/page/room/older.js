// Reads older messages when the first rows come near, a page at a time.

import { readMessages } from "../api.js";

/** Messages in a page: the most that the server gives. */
const PAGE = 100;

/** How far above the screen the next page is asked for. */
const AHEAD = "1500px";

export class Older {
  #room;
  #stretch;
  #list;
  #place;
  #leaving;
  #reading = false;
  #near = false;

  /** `place` stands above the first row, with `.words` and a button. */
  constructor(room, { stretch, list }, place, leaving) {
    [this.#room, this.#stretch, this.#list, this.#place, this.#leaving] = [room, stretch, list, place, leaving];
    place.querySelector("button").addEventListener("click", () => this.#read());
    const observer = new IntersectionObserver(([...entries]) => {
      this.#near = entries.at(-1).isIntersecting;
      if (this.#near && !this.#failed) this.#read();
    }, { root: list.scroller, rootMargin: `${AHEAD} 0px 0px` });
    observer.observe(place);
    leaving.addEventListener("abort", () => observer.disconnect());
  }

  /** To be called when the stretch has begun anew. */
  show() {
    const more = this.#stretch.cursor !== null;
    this.#say(more ? "" : this.#stretch.length > 0 ? "The room begins here." : "Nobody has written here yet.");
    if (more && this.#near) this.#read();
  }

  get #failed() {
    return this.#place.dataset.failed === "true";
  }

  async #read() {
    if (this.#reading || this.#stretch.cursor === null) return;
    this.#reading = true;
    this.#list.list.parentElement.ariaBusy = "true";
    this.#say("Older messages are coming…");
    try {
      const read = (cursor) => readMessages(this.#room, { cursor, limit: PAGE, signal: this.#leaving });
      await this.#stretch.extend(read);
      this.#reading = false;
      // The next one, if that did not fill the screen: only after it is known whether it did.
      requestAnimationFrame(() => requestAnimationFrame(() => this.show()));
      this.#say("");
    } catch (problem) {
      if (!this.#leaving.aborted) this.#say(`Older messages could not be read: ${problem.message}.`, true);
    } finally {
      this.#reading = false;
      this.#list.list.parentElement.ariaBusy = "false";
    }
  }

  #say(words, failed = false) {
    this.#place.dataset.failed = failed;
    this.#place.querySelector(".words").textContent = words;
    this.#place.querySelector("button").hidden = !failed;
  }
}
