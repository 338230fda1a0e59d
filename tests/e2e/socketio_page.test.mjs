// A page as people build them: a socket to write, an EventSource to read, and a server that knows which pages are its
// own.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { Node } from "./support/node.mjs";
import { empty, inBrowser } from "./support/pages.mjs";
import { SCRIPT, open } from "./support/sockets.mjs";
import { Watched } from "./support/watched.mjs";

describe("a page in Chromium", () => {
  const browser = inBrowser();
  let node, friend;
  before(async () => {
    node = await Node.start();
    friend = await Node.start({ CORS_ORIGINS: node.url });
  });
  after(() => [node, friend].forEach((one) => one.kill()));

  /** An empty page that was loaded from `at`, and what it is told. */
  async function page(t, at = node) {
    const [page, told] = [await browser(), new Told()];
    t.after(() => page.close());
    await page.exposeFunction("tell", told.tell);
    await empty(page, at.url);
    await page.addScriptTag({ path: SCRIPT });
    return { page, told };
  }

  it("is in a room with a socket and a stream, which tell it the same", async (t) => {
    const [roomId, userId, friendId] = [randomUUID(), randomUUID(), randomUUID()];
    const { page: ours, told } = await page(t);
    await ours.evaluate(run, { roomId, userId });
    await told.until("the stream knows who is there", () => told.knows(userId));
    const other = await open(t, friend.url, { auth: { userId: friendId } });
    await other.join(roomId);
    await told.have("a userJoined", "b user_joined");
    await told.until("the stream knows who has come", () => told.knows(userId, friendId));
    const { id } = await other.say(roomId, "שלום, 🌊");
    await told.have("a receiveMessage", "b new_message");
    await other.stop();
    await told.have("a userLeft", "b user_left");
    const [joined, received, left] = told.by("a").slice(1);
    assert.deepEqual(joined, { roomId, userId: friendId, count: 2 });
    assert.deepEqual([received.id, received.content, received.userId], [id, "שלום, 🌊", friendId]);
    assert.deepEqual(left, { roomId, userId: friendId, count: 1 });
    assert.deepEqual(told.by("b").slice(-3).map(({ id, user_id }) => id ?? user_id), [friendId, id, friendId]);
  });

  for (const [what, friendly] of [["of an origin that is let in", true], ["of any other origin", false]]) {
    it(`${what} is ${friendly ? "served" : "not served"} by polling`, async (t) => {
      const { page: ours, told } = await page(t);
      const place = friendly ? friend : await stranger(t);
      await ours.evaluate(poll, place.url);
      await told.until("an outcome", () => told.all.length > 0);
      assert.deepEqual(told.all, [["p", friendly ? "connect" : "connect_error", null]]);
    });
  }

  async function stranger(t) {
    const node = await Node.start({ CORS_ORIGINS: "https://elsewhere.example" });
    t.after(() => node.kill());
    return node;
  }
});

/** What a page has told: who told it, what it was, and what came with it. */
class Told extends Watched {
  all = [];

  tell = (...one) => {
    this.all.push(one);
    this.changed();
  };

  seen() {
    return this.all;
  }

  /** What came with all that this one told. */
  by(who) {
    return this.all.filter(([one]) => one === who).map(([, , data]) => data);
  }

  /** Whether the stream has told that these are there. */
  knows(...users) {
    const there = this.by("b").flatMap(({ users, user_id: user }) => users ?? user ?? []);
    return users.every((user) => there.includes(user));
  }

  have(...events) {
    const told = (event) => this.all.some(([who, what]) => event === `${who} ${what}`);
    return this.until(events.join(", "), () => events.every(told));
  }
}

/** In the page: a socket, and when it is in the room, a stream. */
function run({ roomId, userId }) {
  const socket = io({ auth: { userId } });
  socket.onAny((event, data) => tell("a", event, data));
  socket.emit("joinRoom", { roomId }, (joined) => {
    tell("a", "joined", joined);
    const source = new EventSource(`/stream?room=${roomId}&presence=true&user_id=${userId}`);
    source.onmessage = (event) => {
      const { type, data } = JSON.parse(event.data);
      if (type !== "connected") tell("b", type, data);
    };
  });
}

/** In the page: tells once whether it comes to a server by polling. */
function poll(url) {
  const socket = io(url, { transports: ["polling"], reconnection: false });
  for (const event of ["connect", "connect_error"]) socket.once(event, () => tell("p", event, null));
}
