// Rooms over Socket.IO, to clients that know nothing but the library, whichever way they come.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { Node } from "./support/node.mjs";
import { follow } from "./support/readers.mjs";
import { forEachWay, open as connect } from "./support/sockets.mjs";
import { texts } from "./support/texts.mjs";

const RECEIVED = "receiveMessage";

describe("a socket", () => {
  let first, second;
  before(async () => ([first, second] = await Promise.all([Node.start(), Node.start()])));
  after(() => [first, second].forEach((node) => node.kill()));

  forEachWay((open) => {
    /** A user with a socket at this node. */
    async function person(t, node = first) {
      const userId = randomUUID();
      return { userId, socket: await open(t, node.url, { userId }) };
    }

    /** A user whose socket is in a room, and a stream of that room from the other node. */
    async function meet(t) {
      const roomId = randomUUID();
      const { userId, socket } = await person(t);
      const stream = await follow(t, `${second.url}/stream?room=${roomId}`);
      await stream.until("connected", () => changes(stream, "connected").length);
      await socket.join(roomId);
      return { roomId, userId, socket, stream };
    }

    it("is told who is in the room that it comes into", async (t) => {
      const roomId = randomUUID();
      const [one, other] = [await person(t), await person(t)];
      assert.deepEqual(await one.socket.join(roomId), { ok: true, roomId, count: 1, users: [one.userId] });
      const { users, ...rest } = await other.socket.join(roomId);
      assert.deepEqual(rest, { ok: true, roomId, count: users.length });
      assert.ok(users.includes(other.userId));
      // Of who has come a moment ago it may be told a moment later.
      for (const { socket } of [one, other]) await socket.knows(one.userId, other.userId);
    });

    it("sends a message, and all that are in the room are told the same of it", async (t) => {
      const { roomId, userId, socket, stream } = await meet(t);
      const distant = await connect(t, second.url);
      await distant.join(roomId);
      const said = await socket.say(roomId, "hello");
      const { id, timestamp } = said;
      assert.deepEqual(said, { ok: true, id, timestamp, roomId, userId });
      assert.deepEqual([typeof id, new Date(timestamp).getFullYear() > 2000], ["number", true]);
      const [event] = await told(stream, 1);
      const message = { roomId, userId, content: "hello", timestamp, id, file: null, sessionId: null };
      for (const one of [socket, distant]) {
        assert.deepEqual(await one.have(1, RECEIVED), [{ ...message, eventId: event.id }]);
      }
      const row = await second.send("GET", `/message/${id}`);
      assert.deepEqual([row.room, row.sender_id, row.content], [roomId, userId, "hello"]);
      assert.deepEqual([row.created_date, event.data.data.created_date], [timestamp, timestamp]);
      assert.deepEqual(await second.history(roomId), [row]);
    });

    it("sends to a room without being in it, and is not told of it", async (t) => {
      const { roomId, socket } = await meet(t);
      const { userId, socket: outside } = await person(t);
      const { id } = await outside.say(roomId, "from outside", { file: "a.txt" });
      const [message] = await socket.have(1, RECEIVED);
      assert.deepEqual([message.id, message.userId, message.file], [id, userId, "a.txt"]);
      await outside.join(roomId);
      const { id: next } = await outside.say(roomId, "from inside");
      assert.deepEqual((await outside.have(1, RECEIVED)).map(({ id }) => id), [next]);
    });

    it("is told of what others post, change and delete over HTTP", async (t) => {
      const { roomId, socket, stream } = await meet(t);
      const { id, sender_id: userId } = await second.say(roomId, "before");
      const after = await second.send("PATCH", `/message/${id}`, { content: "after", file: "a.txt" });
      await fetch(`${second.url}/message/${id}`, { method: "DELETE" });
      const [posted, changed, deleted] = await told(stream, 3);
      const rest = { roomId, userId, id, timestamp: after.created_date, sessionId: null };
      await socket.have(1, "deletedMessage");
      assert.deepEqual(socket.told.slice(-3), [
        { event: RECEIVED, data: { ...rest, content: "before", file: null, eventId: posted.id } },
        {
          event: "updatedMessage",
          data: { ...rest, content: "after", file: "a.txt", updatedAt: after.updated_date, eventId: changed.id },
        },
        { event: "deletedMessage", data: { roomId, id, userId, eventId: deleted.id } },
      ]);
    });

    it("is told of no room that it has left, nor of one that it never was in", async (t) => {
      const { roomId: other } = await meet(t);
      const { roomId, socket } = await meet(t);
      const { socket: witness } = await person(t);
      await witness.join(roomId);
      assert.deepEqual(await socket.ask("leaveRoom", { roomId }), { ok: true, roomId });
      for (const room of [other, roomId]) await second.say(room, "not for it");
      await witness.have(1, RECEIVED);
      await socket.join(roomId);
      const { id } = await second.say(roomId, "for it");
      assert.deepEqual((await socket.have(1, RECEIVED)).map(({ id }) => id), [id]);
    });

    it("is in several rooms at once, and is told of each message once, however often it came in", async (t) => {
      const { roomId, socket } = await meet(t);
      const other = randomUUID();
      for (const room of [other, roomId, other]) await socket.join(room);
      const ids = [];
      for (const room of [roomId, other, roomId]) ids.push((await second.say(room, "hello")).id);
      assert.deepEqual((await socket.have(3, RECEIVED)).map(({ id }) => id), ids);
    });

    it("is given the same message again when it repeats one under its key", async (t) => {
      const { roomId, socket } = await meet(t);
      const once = { idempotencyKey: randomUUID() };
      const said = await socket.say(roomId, "once", once);
      assert.deepEqual(await socket.say(roomId, "once", once), said);
      assert.deepEqual((await first.history(roomId)).map(({ id }) => id), [said.id]);
    });

    it("brings every text as it was", async (t) => {
      const { roomId, socket, stream } = await meet(t);
      const all = texts();
      // No more at once than a server lets wait.
      for (let at = 0; at < all.length; at += 200) {
        await Promise.all(all.slice(at, at + 200).map((text) => socket.say(roomId, text)));
      }
      const received = await socket.have(all.length, RECEIVED);
      assert.deepEqual(received.map(({ content }) => content), all);
      assert.deepEqual((await told(stream, all.length)).map(({ data }) => data.data.content), all);
      assert.deepEqual((await second.history(roomId)).map(({ content }) => content), all);
    });
  });
});

/** What a stream was told in events of this type. */
function changes(stream, ...types) {
  return stream.of("message").filter(({ data }) => types.includes(data.type));
}

function told(stream, count) {
  const all = () => changes(stream, "new_message", "updated_message", "deleted_message");
  return stream.until(`${count} changes`, () => all().length >= count && all());
}
