// Engine.IO and Socket.IO packet by packet, below all libraries: whatever a test wants to send.

import assert from "node:assert/strict";
import { once } from "node:events";

import { WebSocket } from "ws";

import { Watched, soon } from "./watched.mjs";

export const SEPARATOR = "\x1e";

const PING = "2";
const PONG = "3";

/** Asks the path of the protocol, with this query. */
export function ask(node, query, request) {
  return soon(`an answer to ${query}`, fetch(`${node.url}/socket.io/?${query}`, request));
}

/** What a server says of itself in its first packet. */
function opened(packet) {
  assert.equal(packet[0], "0");
  return JSON.parse(packet.slice(1));
}

/** A session by HTTP long-polling. */
export class Polling {
  static async open(node) {
    const session = new Polling();
    session.node = node;
    const answer = await session.get();
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get("content-type"), /^text\/plain; charset=utf-8$/i);
    session.handshake = opened(await answer.text());
    return session;
  }

  /** A session that is connected to the main namespace. */
  static async connect(node, packet = "40") {
    const session = await Polling.open(node);
    await session.push(packet);
    assert.match((await session.poll())[0], /^40\{"sid":/);
    return session;
  }

  /** The query of all its requests. */
  get query() {
    return `EIO=4&transport=polling${this.handshake ? `&sid=${this.handshake.sid}` : ""}`;
  }

  get() {
    return ask(this.node, this.query);
  }

  post(body) {
    return ask(this.node, this.query, { method: "POST", body });
  }

  /** Sends packets, which are taken. */
  async push(...packets) {
    const answer = await this.post(packets.join(SEPARATOR));
    assert.deepEqual([answer.status, await answer.text()], [200, "ok"]);
  }

  /** The next packets, pings aside: those it answers. */
  async poll() {
    for (;;) {
      const answer = await this.get();
      assert.equal(answer.status, 200);
      const packets = (await answer.text()).split(SEPARATOR);
      if (packets.includes(PING)) await this.push(PONG);
      const others = packets.filter((packet) => packet !== PING);
      if (others.length > 0) return others;
    }
  }
}

/** A WebSocket: of a session of its own, or to become that of another. */
export class Frames extends Watched {
  /** All that came, pings too. */
  frames = [];
  closed = false;
  /** Whether pings are answered. */
  alive = true;
  #taken = 0;
  #socket;

  constructor(node, query) {
    super();
    this.#socket = new WebSocket(`${node.url.replace("http", "ws")}/socket.io/?${query}`);
    this.#socket.on("message", (data, isBinary) => this.#came(isBinary ? data : data.toString()));
    this.#socket.on("close", () => this.#ended());
    this.#socket.on("error", () => this.#ended());
  }

  /** One that is open, of this session or of its own. */
  static async open(t, node, session) {
    const sid = session ? `&sid=${session.handshake.sid}` : "";
    const frames = new Frames(node, `EIO=4&transport=websocket${sid}`);
    t.after(() => frames.#socket.terminate());
    await soon("a websocket", once(frames.#socket, "open"));
    if (!session) frames.handshake = opened(await frames.next());
    return frames;
  }

  /** One that is connected to the main namespace. */
  static async connect(t, node, packet = "40") {
    const frames = await Frames.open(t, node);
    frames.send(packet);
    assert.match(await frames.next(), /^40\{"sid":/);
    return frames;
  }

  seen() {
    return { frames: this.frames, closed: this.closed };
  }

  send(...frames) {
    for (const frame of frames) this.#socket.send(frame);
  }

  /** Ends it without a word. */
  drop() {
    this.#socket.terminate();
  }

  /** The next frame that is not a ping. */
  async next() {
    const others = () => this.frames.filter((frame) => frame !== PING);
    await this.until("a frame", () => others().length > this.#taken);
    return others()[this.#taken++];
  }

  /** Waits until the other side has ended it. */
  ends() {
    return this.until("its end", () => this.closed);
  }

  #came(frame) {
    this.frames.push(frame);
    if (frame === PING && this.alive) this.#socket.send(PONG);
    this.changed();
  }

  #ended() {
    this.closed = true;
    this.changed();
  }
}
