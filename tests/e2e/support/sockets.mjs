// Clients of Socket.IO: they connect in the same way, and tell the same of it.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe } from "node:test";

import { io } from "socket.io-client";

import { empty, inBrowser } from "./pages.mjs";
import { Watched, soon } from "./watched.mjs";

/** What a page loads to be such a client. */
export const SCRIPT = createRequire(import.meta.url).resolve("socket.io-client/dist/socket.io.js");

export const WEBSOCKET = { transports: ["websocket"] };
export const POLLING = { transports: ["polling"] };
export const UPGRADE = { transports: ["polling", "websocket"] };

/**
 * Connects, and tells of all that happens. It runs here, and in a page with what pages have, where it is sent as text:
 * so it uses nothing from around it.
 */
function connect({ url, options }, { io, tell } = globalThis) {
  const socket = io(url, { forceNew: true, reconnectionDelay: 100, randomizationFactor: 0, ...options });
  socket.io.on("open", () => socket.io.engine.once("upgrade", () => tell({ event: "upgrade" })));
  socket.on("connect", () => tell({ event: "connect", data: { id: socket.id, ...socket.auth } }));
  socket.on("connect_error", ({ message, data }) => {
    tell({ event: "connect_error", data: { message, problem: data, returns: socket.active } });
  });
  socket.on("disconnect", (reason) => tell({ event: "disconnect", data: { reason, returns: socket.active } }));
  socket.onAny((event, data) => tell({ event, data }));
  return socket;
}

/** A socket, and what it has been told: `{ event, data }`, in order, with what the library itself says. */
class Socket extends Watched {
  told = [];

  constructor(url, options) {
    super();
    this.where = { url, options };
  }

  tell = (happened) => {
    this.told.push(happened);
    this.changed();
  };

  seen() {
    const short = ({ event, data }) => `${event} ${JSON.stringify(data)?.slice(0, 150)}`;
    return this.told.length < 50 ? this.told.map(short) : this.told.map(({ event }) => event).join();
  }

  /** What came with each event of this name. */
  of(event) {
    return this.told.filter((one) => one.event === event).map(({ data }) => data);
  }

  /** Waits until there are so many events of this name, and returns what came with them. */
  async have(count, event) {
    await this.until(`${count} times ${event}`, () => this.of(event).length >= count);
    return this.of(event);
  }

  /** Asks, and returns the answer, whatever it says. */
  ask(event, ...request) {
    return soon(`an answer to ${event}`, this.emitWithAck(event, ...request), () => this.seen());
  }

  /** Comes into a room, and returns what it is told of it. */
  async join(roomId) {
    const joined = await this.ask("joinRoom", { roomId });
    assert.equal(joined.ok, true, JSON.stringify(joined));
    this.tell({ event: "joined", data: joined });
    return joined;
  }

  /** Waits until it knows that just these users are in its room: by the answer when it came in, and what came since. */
  knows(...users) {
    const all = [...users].sort().join();
    return this.until(`that ${all} are there`, () => [...this.#there()].sort().join() === all);
  }

  #there() {
    const change = {
      joined: (_, { users }) => new Set(users),
      roomState: (_, { users }) => new Set(users),
      userJoined: (there, { userId }) => there.add(userId),
      userLeft: (there, { userId }) => (there.delete(userId), there),
    };
    return this.told.reduce((there, { event, data }) => change[event]?.(there, data) ?? there, new Set());
  }

  /** Sends a message, which must be taken, and returns what it is told of it. */
  async say(roomId, content, more) {
    const said = await this.ask("sendMessage", { roomId, content, userId: this.where.options.auth?.userId, ...more });
    assert.equal(said.ok, true, JSON.stringify(said));
    return said;
  }
}

/** With npm's library, here. */
class LibrarySocket extends Socket {
  async start() {
    this.socket = connect(this.where, { io, tell: this.tell });
  }

  emit(...what) {
    this.socket.emit(...what);
  }

  emitWithAck(...what) {
    return this.socket.emitWithAck(...what);
  }

  async stop() {
    this.socket.disconnect();
  }
}

/** With what a browser makes of it, in a page of its own. */
class PageSocket extends Socket {
  #page;
  #socket;

  constructor(url, options, page) {
    super(url, options);
    this.#page = page;
  }

  async start() {
    await this.#page.exposeFunction("tell", this.tell);
    await empty(this.#page, this.where.url);
    await this.#page.addScriptTag({ path: SCRIPT });
    this.#socket = await this.#page.evaluateHandle(connect, this.where);
  }

  emit(...what) {
    return this.#socket.evaluate((socket, what) => void socket.emit(...what), what);
  }

  emitWithAck(...what) {
    return this.#socket.evaluate((socket, what) => socket.emitWithAck(...what), what);
  }

  stop() {
    return this.#page.close();
  }
}

/** A socket that begins to connect, with this transport; it goes when the test `t` ends. */
export function begin(t, url, options = WEBSOCKET) {
  return start(t, new LibrarySocket(url, options));
}

/** A socket that is connected. */
export async function open(t, url, options = WEBSOCKET) {
  return connected(await begin(t, url, options));
}

/** The same tests for each way to connect. They are given what opens a socket, and whether it is to become another. */
export function forEachWay(tests) {
  for (const [way, transports] of Object.entries({ "a websocket": WEBSOCKET, polling: POLLING })) {
    describe(`by ${way}`, () => tests((t, url, auth) => open(t, url, { ...transports, auth })));
  }
  describe("by polling and then a websocket", () => {
    tests(async (t, url, auth) => upgraded(await open(t, url, { ...UPGRADE, auth })));
  });
  describe("in a page in Chromium", () => {
    const page = inBrowser();
    tests(async (t, url, auth) => upgraded(await start(t, new PageSocket(url, { auth }, await page()))));
  });
}

async function connected(socket) {
  await socket.have(1, "connect");
  return socket;
}

async function upgraded(socket) {
  await socket.have(1, "upgrade");
  return connected(socket);
}

async function start(t, socket) {
  t.after(() => socket.stop());
  await socket.start();
  return socket;
}
