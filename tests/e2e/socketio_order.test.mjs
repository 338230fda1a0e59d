// The order of messages: it is that of the feed, the same for everybody, and nobody misses one or has one twice.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { Node } from "./support/node.mjs";
import { follow } from "./support/readers.mjs";
import { POLLING, UPGRADE, WEBSOCKET, begin, open } from "./support/sockets.mjs";

const MANY = 500;

describe("messages that are sent at once", () => {
  let first, second;
  before(async () => ([first, second] = await Promise.all([Node.start(), Node.start()])));
  after(() => [first, second].forEach((node) => node.kill()));

  for (const [way, transports] of Object.entries({ "a websocket": WEBSOCKET, polling: POLLING })) {
    it(`come to everybody in the order in which one has sent them by ${way}`, async (t) => {
      const room = randomUUID();
      const readers = await everybody(t, room);
      const sender = await user(t, first, transports);
      const said = await Promise.all(numbers(MANY).map((number) => sender.say(room, number)));
      const ids = said.map(({ id }) => id);
      assert.deepEqual(ids, [...ids].sort((one, other) => one - other));
      for (const read of readers) assert.deepEqual(await read(MANY), zip(ids, numbers(MANY)));
      assert.deepEqual(await history(room), zip(ids, numbers(MANY)));
    });
  }

  it("by several come to everybody in one order, which keeps that of each", async (t) => {
    const room = randomUUID();
    const readers = await everybody(t, room);
    const places = [first, second, first, second, first];
    const senders = await Promise.all(places.map((node) => user(t, node, WEBSOCKET)));
    const own = numbers(MANY / senders.length);
    await Promise.all(senders.flatMap((sender, at) => own.map((number) => sender.say(room, `${at}:${number}`))));
    const [order, ...others] = await Promise.all(readers.map((read) => read(MANY)));
    for (const other of others) assert.deepEqual(other, order);
    const sorted = (messages) => [...messages].sort(([one], [other]) => one - other);
    assert.deepEqual(sorted(await history(room)), sorted(order));
    for (const at of senders.keys()) {
      const texts = order.map(([, text]) => text).filter((text) => text.startsWith(`${at}:`));
      assert.deepEqual(texts, own.map((number) => `${at}:${number}`));
    }
  });

  it("come once each and in order to who changes from polling to a websocket meanwhile", async (t) => {
    const room = randomUUID();
    const changing = await begin(t, first.url, { ...UPGRADE, auth: { userId: randomUUID() } });
    await changing.join(room);
    const sender = await user(t, second, WEBSOCKET);
    const [own, others] = [numbers(100).map((number) => `own ${number}`), numbers(100)];
    const say = (socket) => (text) => socket.say(room, text);
    await Promise.all([...own.map(say(changing)), ...others.map(say(sender))]);
    await changing.have(1, "upgrade");
    const received = (await changing.have(200, "receiveMessage")).map(({ id, content }) => [id, content]);
    assert.deepEqual(received.map(([, text]) => text).filter((text) => text.startsWith("own")), own);
    assert.deepEqual(received.map(([, text]) => text).filter((text) => !text.startsWith("own")), others);
    assert.equal(received.length, 200);
    assert.deepEqual(changing.of("disconnect"), []);
  });

  it("and asked for at once are answered in the order of the requests", async (t) => {
    const room = randomUUID();
    const socket = await user(t, first, WEBSOCKET);
    // In and out of the room: which messages it is told of shows when it was there.
    const requests = numbers(50).flatMap((number) => [
      socket.ask("joinRoom", { roomId: room }),
      socket.say(room, number),
      socket.ask("leaveRoom", { roomId: room }),
    ]);
    const answers = await Promise.all(requests);
    assert.deepEqual([...new Set(answers.map(({ ok }) => ok))], [true]);
    assert.deepEqual((await history(room)).map(([, text]) => text), numbers(50));
  });

  /** All kinds of readers of a room, at both nodes: each returns the id and the text of what it was told. */
  async function everybody(t, room) {
    const sockets = await Promise.all(
      [first, second].flatMap((node) => [WEBSOCKET, POLLING].map((transports) => user(t, node, transports))),
    );
    for (const socket of sockets) await socket.join(room);
    const streams = [first, second].map((node) => follow(t, `${node.url}/stream?room=${room}`));
    const messages = (stream) => stream.of("message").filter(({ data }) => data.type === "new_message");
    for (const stream of await Promise.all(streams)) await stream.have(1, "message");
    const bySocket = async (socket, count) =>
      (await socket.have(count, "receiveMessage")).map(({ id, content }) => [id, content]);
    const byStream = async (stream, count) => {
      await stream.until(`${count} messages`, () => messages(stream).length >= count);
      return messages(stream).map(({ data }) => [data.data.id, data.data.content]);
    };
    return [
      ...sockets.map((socket) => (count) => bySocket(socket, count)),
      ...(await Promise.all(streams)).map((stream) => (count) => byStream(stream, count)),
    ];
  }

  async function history(room) {
    return (await second.history(room)).map(({ id, content }) => [id, content]);
  }
});

function user(t, node, transports) {
  return open(t, node.url, { ...transports, auth: { userId: randomUUID() } });
}

function numbers(count) {
  return Array.from({ length: count }, (_, at) => String(at));
}

function zip(ids, texts) {
  return ids.map((id, at) => [id, texts[at]]);
}
