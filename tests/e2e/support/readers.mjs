// The clients: they read a stream in the same way, and tell the same of it.
//
// Where they differ, it is said here, each test holds them to it, and the README's table is made of it.

import { describe } from "node:test";
import { fileURLToPath } from "node:url";

import { inBrowser } from "./pages.mjs";
import { LibraryReader, PageReader } from "./readers/eventsource.mjs";
import { ProgramReader } from "./readers/program.mjs";

const { PYTHON, RUST_READER } = process.env;

/** The programs are written as their users would write them. */
const HTTPX_SSE = [PYTHON, "-B", beside("../readers/python.py")];
const CURL = [beside("../readers/curl.sh")];
const EVENTSOURCE_CLIENT = [RUST_READER];

/** The client does it, or the loop that a program has around it. */
const [ITSELF, LOOP] = ["itself", "loop"];

/**
 * Each client, and who does what: `returns` after a cut with the last id, `remembers` it through a connection that
 * brought none, `moves` to an id that comes without an event, `waits` as `retry:` says, `stops` at an answer that is no
 * stream, `shows` comments; null where nobody does.
 */
export const CLIENTS = [
  {
    name: "Chromium's `EventSource`",
    where: "in a page in Chromium",
    does: { returns: ITSELF, remembers: ITSELF, moves: ITSELF, waits: ITSELF, stops: ITSELF, shows: null },
    opener() {
      const page = inBrowser();
      return async (t, url) => start(t, new PageReader(url, await page()));
    },
  },
  {
    name: "npm's `eventsource`",
    where: "with npm's eventsource",
    does: { returns: ITSELF, remembers: ITSELF, moves: null, waits: ITSELF, stops: ITSELF, shows: null },
    opener: () => follow,
  },
  {
    name: "Python's `httpx-sse`",
    where: "with Python's httpx-sse",
    does: { returns: LOOP, remembers: LOOP, moves: LOOP, waits: LOOP, stops: LOOP, shows: null },
    opener: () => (t, url) => start(t, new ProgramReader(url, HTTPX_SSE)),
  },
  {
    name: "`curl -N`",
    where: "with curl",
    does: { returns: LOOP, remembers: LOOP, moves: LOOP, waits: LOOP, stops: LOOP, shows: ITSELF },
    opener: () => (t, url) => start(t, new ProgramReader(url, CURL)),
  },
  {
    name: "Rust's `eventsource-client`",
    where: "with Rust's eventsource-client",
    does: { returns: ITSELF, remembers: null, moves: null, waits: null, stops: LOOP, shows: ITSELF },
    opener: () => (t, url) => start(t, new ProgramReader(url, EVENTSOURCE_CLIENT)),
  },
];

/** Reads a stream with npm's library until the test `t` ends. */
export function follow(t, url) {
  return start(t, new LibraryReader(url));
}

/** Reads a stream with Rust's `eventsource-client`, and nothing that it does not do. */
export function followAsItIs(t, url) {
  return start(t, new ProgramReader(url, EVENTSOURCE_CLIENT, { AS_IT_IS: "1" }));
}

/** The same tests for each client, all at once. They are given what opens a stream until the test `t` ends. */
export function forEachReader(tests) {
  describe("for each client", { concurrency: true }, () => {
    for (const client of CLIENTS) describe(client.where, { concurrency: false }, () => tests(client.opener(), client));
  });
}

async function start(t, reader) {
  t.after(() => reader.stop());
  await reader.start();
  return reader;
}

function beside(path) {
  return fileURLToPath(new URL(path, import.meta.url));
}
