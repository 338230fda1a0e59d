// The network between readers and nodes: it can be cut, wherever a test wants, and lead to another node.
//
// It passes bytes on as they are, and notes what is asked through it. Only readers come this way: their requests have
// no body.

import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout } from "node:timers/promises";

import { Watched } from "./watched.mjs";

export class Proxy extends Watched {
  /** What was asked, in order: `{ path, at, lastEventId, status }`, the status once there is one. */
  requests = [];
  /** How often somebody came while it was down. */
  refused = 0;
  /** Where new connections go. */
  node;
  /** After how long without a byte new connections are cut, in milliseconds; 0 is never. */
  patience = 0;
  #server = createServer((client) => this.#accept(client));
  #links = new Set();
  #knife = null;
  #down = false;
  #held = false;
  #dripping = false;

  /** A way to this node; it is closed after the test `t`. */
  static async to(node, t) {
    const proxy = new Proxy();
    proxy.node = node;
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    proxy.url = `http://127.0.0.1:${proxy.#server.address().port}`;
    t.after(() => proxy.#close());
    return proxy;
  }

  /** The requests whose path begins so. */
  asked(path) {
    return this.requests.filter((request) => request.path.startsWith(path));
  }

  /** Ends every connection, now. */
  cut() {
    for (const link of this.#links) link.cut();
  }

  /** Ends the next connection that carries this text from a node: in the middle of the text. */
  cutInside(text) {
    this.#knife = latin1(Buffer.from(text));
  }

  /** From now on brings one byte at a time: whatever can be torn is. */
  drip() {
    this.#dripping = true;
  }

  /** How often nodes have said this on the connections that there are. */
  carried(pattern) {
    return [...this.#links].flatMap((link) => link.answered.match(pattern) ?? []).length;
  }

  /** Takes nothing more from the nodes, as a reader does that is too slow: what they then have to say piles up. */
  hold() {
    this.#held = true;
    for (const link of this.#links) link.server.pause();
  }

  /** Takes it again. */
  release() {
    this.#held = false;
    for (const link of this.#links) link.server.resume();
  }

  /** Cuts, and lets nobody through. */
  down() {
    this.#down = true;
    this.cut();
  }

  /** Lets everybody through again. */
  up() {
    this.#down = false;
  }

  seen() {
    return this.requests;
  }

  #close() {
    this.#server.close();
    this.down();
  }

  #accept(client) {
    if (this.#down) return this.#refuse(client);
    const link = new Link(client, connect(this.node.port, "127.0.0.1"), this.requests);
    this.#links.add(link);
    link.client.on("data", (bytes) => this.#forth(link, bytes));
    link.server.on("data", (bytes) => this.#back(link, bytes));
    if (this.#held) link.server.pause();
    link.client.setTimeout(this.patience, () => link.cut());
    link.client.on("close", () => this.#links.delete(link));
  }

  #refuse(client) {
    client.destroy();
    this.refused++;
    this.changed();
  }

  #forth(link, bytes) {
    link.noteRequests(bytes);
    link.server.write(bytes);
    this.changed();
  }

  #back(link, bytes) {
    link.noteAnswers(bytes);
    const place = this.#knife === null ? null : link.half(this.#knife, bytes);
    if (this.#dripping) {
      link.drip(bytes);
    } else if (place === null) {
      link.client.write(bytes);
    } else {
      link.client.end(bytes.subarray(0, place));
      link.server.destroy();
      this.#knife = null;
    }
    this.changed();
  }
}

/** A client's connection, and ours to the node for it. */
class Link {
  /** What the node has said, a character for each byte. */
  answered = "";
  #asking = "";
  #requests = [];
  #all;
  #dripped = Promise.resolve();

  constructor(client, server, all) {
    this.client = client;
    this.server = server;
    this.#all = all;
    for (const [one, other] of [[client, server], [server, client]]) {
      one.on("end", () => other.end());
      one.on("error", () => other.destroy());
    }
  }

  cut() {
    this.client.destroy();
    this.server.destroy();
  }

  /** A millisecond for each byte, so that the client reads it alone. */
  drip(bytes) {
    this.client.setNoDelay(true);
    this.#dripped = this.#dripped.then(async () => {
      for (const byte of bytes) {
        this.client.write(Uint8Array.of(byte));
        await setTimeout(1);
      }
    });
  }

  /** Where in these bytes, the last of what was answered, half of the text has passed, if they bring it to its end. */
  half(text, bytes) {
    const before = this.answered.length - bytes.length;
    const at = this.answered.indexOf(text, before - text.length + 1);
    return at === -1 ? null : Math.max(0, at - before + Math.floor(text.length / 2));
  }

  noteRequests(bytes) {
    const heads = (this.#asking + latin1(bytes)).split("\r\n\r\n");
    this.#asking = heads.pop();
    for (const head of heads) {
      const path = head.split(" ")[1];
      const lastEventId = /^last-event-id: *(.*)$/im.exec(head)?.[1];
      const request = { path, at: performance.now(), lastEventId, status: undefined };
      this.#requests.push(request);
      this.#all.push(request);
    }
  }

  noteAnswers(bytes) {
    this.answered += latin1(bytes);
    // Not at the beginning of a line: the body before ends as it likes.
    const statuses = [...this.answered.matchAll(/HTTP\/1\.1 (\d{3}) /g)];
    statuses.forEach(([, status], at) => (this.#requests[at].status = Number(status)));
  }
}

/** A character for each byte, so that no text is torn where bytes are. */
function latin1(bytes) {
  return bytes.toString("latin1");
}
