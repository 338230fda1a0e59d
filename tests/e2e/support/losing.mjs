// The network between a listener and Redis, which loses a message when it is told to.

import { once } from "node:events";
import { connect, createServer } from "node:net";

/** How Redis begins to tell a message, in both its protocols. */
const BEGIN = /[*>]3\r\n\$7\r\nmessage\r\n/g;

export class Losing {
  /** How many messages were lost. */
  lost = 0;
  #links = new Set();
  #text;

  /** A way to the Redis at this address; it is closed after the test `t`. */
  static async to(address, t) {
    const losing = new Losing();
    const url = new URL(address);
    const { port, hostname } = url;
    const server = createServer((client) => losing.#accept(client, connect(port, hostname)));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    url.port = server.address().port;
    losing.url = url.href;
    t.after(() => (server.close(), losing.cut()));
    return losing;
  }

  /** Loses every message with this text, until another one is named. */
  lose(text) {
    this.#text = text;
  }

  /** Ends every connection, and lets nobody through until `up`. */
  cut() {
    this.down = true;
    for (const link of this.#links) link.destroy();
  }

  up() {
    this.down = false;
  }

  #accept(client, redis) {
    if (this.down) [client, redis].forEach((one) => one.destroy());
    for (const [one, other] of [[client, redis], [redis, client]]) {
      this.#links.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => (this.#links.delete(one), other.destroy()));
    }
    client.pipe(redis);
    // The messages of these tests are short: each comes in one piece.
    redis.on("data", (bytes) => client.write(Buffer.from(this.#without(bytes.toString("latin1")), "latin1")));
  }

  #without(told) {
    const starts = [...told.matchAll(BEGIN)].map(({ index }) => index);
    const parts = [0, ...starts].map((start, at) => told.slice(start, starts[at]));
    const kept = parts.filter((part) => this.#text === undefined || !part.includes(this.#text));
    this.lost += parts.length - kept.length;
    return kept.join("");
  }
}
