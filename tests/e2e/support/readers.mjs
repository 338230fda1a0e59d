// The clients: they read a stream in the same way, and tell the same of it.

import { describe } from "node:test";

import { EventSource } from "eventsource";

import { empty, inBrowser } from "./pages.mjs";
import { Watched } from "./watched.mjs";

const CLOSED = 2;

/**
 * Reads a stream, and tells of each event. It runs here with the library, and in a page with what pages have, where it
 * is sent as text: so it uses nothing from around it.
 */
function read(url, { EventSource, tell } = globalThis) {
  const source = new EventSource(url);
  const ours = ["connected", "chunk", "message_complete", "session_failed", "session_cancelled"];
  for (const type of ["open", "error", "message", ...ours]) {
    source.addEventListener(type, ({ lastEventId: id, data }) => {
      tell({ type, id, data: data && JSON.parse(data), readyState: source.readyState });
    });
  }
  return source;
}

/** What a client has been told of one stream. */
class Reader extends Watched {
  told = [];

  constructor(url) {
    super();
    this.url = url;
  }

  tell = (event) => {
    this.told.push(event);
    this.changed();
  };

  seen() {
    return this.told;
  }

  /** The events of this type. */
  of(type) {
    return this.told.filter((event) => event.type === type);
  }

  /** Waits until there are so many events of this type. */
  async have(count, type) {
    await this.until(`${count} times ${type}`, () => this.of(type).length >= count);
  }

  /** Waits until it has given up. It never comes back then. */
  async closed() {
    await this.until("closed for good", () => this.of("error").at(-1)?.readyState === CLOSED);
  }
}

/** Reads with npm's library. */
class LibraryReader extends Reader {
  #source;

  async start() {
    this.#source = read(this.url, { EventSource, tell: this.tell });
  }

  async stop() {
    this.#source.close();
  }

  /** Begins anew, like a program that has seen nothing yet. */
  async reload() {
    await this.stop();
    this.told = [];
    await this.start();
  }
}

/** Reads in a page of its own. */
class PageReader extends Reader {
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

/** Reads a stream with npm's library until the test `t` ends. */
export function follow(t, url) {
  return start(t, new LibraryReader(url));
}

/** The same tests for each client. They are given what opens a stream, to be closed after the test `t`. */
export function forEachReader(tests) {
  describe("with npm's eventsource", () => {
    tests(follow);
  });
  describe("in a page in Chromium", () => {
    const page = inBrowser();
    tests(async (t, url) => start(t, new PageReader(url, await page())));
  });
}

async function start(t, reader) {
  t.after(() => reader.stop());
  await reader.start();
  return reader;
}
