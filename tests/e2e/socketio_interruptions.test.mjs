// A socket whose connection ends: it knows that, comes back by itself, and reads what it has missed. There is no gap
// that it does not know of.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { Node } from "./support/node.mjs";
import { Proxy } from "./support/proxy.mjs";
import { POLLING, WEBSOCKET, open } from "./support/sockets.mjs";

/** How the library calls it when a connection ends that nobody has ended on purpose: it comes back then. */
const CUT = ["transport close", "transport error"];

/** Small, so that what is not read piles up soon. */
const SMALL = { SOCKETIO_BUFFER: "8" };

const LARGE = "x".repeat(128 * 1024);

describe("an interrupted socket", () => {
  let first, second;
  before(async () => ([first, second] = await Promise.all([Node.start(SMALL), Node.start()])));
  after(() => [first, second].forEach((node) => node.kill()));

  for (const [way, transports] of Object.entries({ "a websocket": WEBSOCKET, polling: POLLING })) {
    describe(`by ${way}`, () => {
      /** A user in a room that is reached through a proxy, and one who sends to that room without end. */
      async function follow(t, node) {
        const room = randomUUID();
        const proxy = await Proxy.to(node, t);
        const socket = await open(t, proxy.url, { ...transports, auth: { userId: randomUUID() } });
        await socket.join(room);
        return { room, proxy, socket, sender: await Sender.open(t, second, room) };
      }

      /** Comes back as a program does: it reads all, and from then on it is told. Nothing is missing. */
      async function returns({ room, socket, sender }) {
        await socket.have(2, "connect");
        const [{ reason, returns }, ...more] = socket.of("disconnect");
        assert.deepEqual([CUT.includes(reason), returns, more], [true, true, []], reason);
        await socket.join(room);
        const read = (await second.history(room)).map(({ id }) => id);
        const sent = await sender.stop();
        await socket.until("the last one", () => ids(socket.told).at(-1) === sent.at(-1));
        const cut = socket.told.findIndex(({ event }) => event === "disconnect");
        const [before, after] = [ids(socket.told.slice(0, cut)), ids(socket.told.slice(cut))];
        assert.deepEqual(before, sent.slice(0, before.length), "what it was told before has no hole");
        assert.deepEqual(after, sent.slice(sent.length - after.length), "what it was told since has no hole");
        assert.deepEqual([...new Set([...read, ...after])], sent);
      }

      it("goes on at another node when its node is killed", async (t) => {
        const victim = await Node.start();
        const all = await follow(t, victim);
        all.sender.start();
        await all.socket.have(20, "receiveMessage");
        all.proxy.node = second;
        victim.kill();
        await returns(all);
      });

      it("goes on at another node when its node goes away", async (t) => {
        const leaving = await Node.start();
        const all = await follow(t, leaving);
        all.sender.start();
        await all.socket.have(20, "receiveMessage");
        all.proxy.node = second;
        await leaving.stop();
        await returns(all);
      });

      it("goes on after a cut in the middle of a message", async (t) => {
        const all = await follow(t, first);
        all.sender.start();
        all.proxy.cutInside("number 30 ");
        await returns(all);
        assert.equal(all.socket.of("connect").length, 2);
      });

      it("that does not read is cut off, and holds up nobody", async (t) => {
        const all = await follow(t, first);
        const { room, socket, proxy } = all;
        const witness = await open(t, first.url, { ...WEBSOCKET, auth: { userId: randomUUID() } });
        await witness.join(room);
        all.sender.start();
        await socket.have(3, "receiveMessage");
        proxy.hold();
        all.sender.more = LARGE;
        const slow = socket.where.options.auth.userId;
        const left = () => witness.of("userLeft").some(({ userId }) => userId === slow);
        await witness.until("the slow one is gone, though it reads nothing", left);
        assert.deepEqual(socket.of("disconnect"), []);
        const sent = all.sender.sent.length;
        await witness.have(sent + 5, "receiveMessage");
        assert.deepEqual(ids(witness.told).slice(0, sent), all.sender.sent.slice(0, sent));
        assert.deepEqual(witness.of("disconnect"), []);
        proxy.release();
        await returns(all);
      });
    });
  }
});

/** Sends one message after the other, as fast as it is told of them itself. */
class Sender {
  sent = [];
  /** What each message says beside its number. */
  more = "";
  #socket;
  #room;
  #done = false;
  #work;

  static async open(t, node, room) {
    const sender = new Sender();
    sender.#socket = await open(t, node.url, { ...WEBSOCKET, auth: { userId: randomUUID() } });
    sender.#room = room;
    await sender.#socket.join(room);
    t.after(() => (sender.#done = true));
    return sender;
  }

  start() {
    this.#work = this.#send();
  }

  /** Sends the last one, and returns the ids of all. */
  async stop() {
    this.#done = true;
    await this.#work;
    return this.sent;
  }

  async #send() {
    do {
      const { id } = await this.#socket.say(this.#room, `number ${this.sent.length} ${this.more}`);
      this.sent.push(id);
      await this.#socket.have(this.sent.length, "receiveMessage");
    } while (!this.#done);
  }
}

/** The ids of the messages among what a socket was told. */
function ids(told) {
  return told.filter(({ event }) => event === "receiveMessage").map(({ data }) => data.id);
}
