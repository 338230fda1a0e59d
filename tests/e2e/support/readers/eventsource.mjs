// What keeps to the standard's `EventSource`: npm's library, and pages.

import { EventSource } from "eventsource";

import { empty } from "../pages.mjs";
import { Reader } from "./reader.mjs";

/**
 * Reads a stream, and tells of each event. It runs here with the library, and in a page with what pages have, where it
 * is sent as text: so it uses nothing from around it.
 */
function read(url, { EventSource, tell } = globalThis) {
  const source = new EventSource(url);
  const ours = ["connected", "chunk", "message_complete", "session_failed", "session_cancelled"];
  for (const type of ["open", "error", "message", ...ours]) {
    source.addEventListener(type, ({ lastEventId: id, data }) => {
      tell({ type, id, data: data && JSON.parse(data), closed: source.readyState === EventSource.CLOSED });
    });
  }
  return source;
}

/** Reads with npm's library. */
export class LibraryReader extends Reader {
  #source;

  async start() {
    this.#source = read(this.url, { EventSource, tell: this.tell });
  }

  async stop() {
    this.#source.close();
  }
}

/** Reads in a page of its own. */
export class PageReader extends Reader {
  #page;

  constructor(url, page) {
    super(url);
    this.#page = page;
  }

  async start() {
    await this.#page.exposeFunction("tell", this.tell);
    await this.#load();
  }

  async stop() {
    await this.#page.close();
  }

  /** What a person does to a page. */
  async reload() {
    await this.#load(() => this.#page.reload());
  }

  async #load(load) {
    await empty(this.#page, this.url, load);
    this.told = [];
    await this.#page.evaluate(read, this.url);
  }
}
