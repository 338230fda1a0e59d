// How much a socket may bring: up to the bound all of it is taken, above it nothing, and nobody else feels it.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { Node } from "./support/node.mjs";
import { POLLING, WEBSOCKET, open } from "./support/sockets.mjs";

const PAYLOAD = 20_000;

describe("a socket that brings much", () => {
  let node;
  const userId = randomUUID();
  before(async () => (node = await Node.start({ SOCKETIO_MAX_PAYLOAD: String(PAYLOAD), SOCKETIO_INBOX: "8" })));
  after(() => node.kill());

  /** A request that takes so many bytes on the wire, where it is the first that asks for an answer. */
  function request(roomId, bytes) {
    const packet = (content) => `420${JSON.stringify(["sendMessage", { roomId, userId, content }])}`;
    const content = "ü".repeat(8_000);
    return { roomId, userId, content: content + "x".repeat(bytes - Buffer.byteLength(packet(content))) };
  }

  for (const [way, transports] of Object.entries({ "a websocket": WEBSOCKET, polling: POLLING })) {
    it(`may bring as much as is allowed by ${way}, and not a byte more`, async (t) => {
      const roomId = randomUUID();
      const sockets = () => open(t, node.url, { ...transports, auth: { userId } });
      const [one, two, three] = [await sockets(), await sockets(), await sockets()];
      await three.join(roomId);
      const { ok, id } = await one.ask("sendMessage", request(roomId, PAYLOAD));
      assert.equal(ok, true);
      two.emitWithAck("sendMessage", request(roomId, PAYLOAD + 1)).catch(() => {});
      const [{ reason, returns }] = await two.have(1, "disconnect");
      assert.deepEqual([reason.startsWith("transport "), returns], [true, true]);
      await two.have(2, "connect");
      const { id: next } = await two.say(roomId, "short");
      assert.deepEqual((await three.have(2, "receiveMessage")).map(({ id }) => id), [id, next]);
      assert.deepEqual((await node.history(roomId)).map(({ id }) => id), [id, next]);
      assert.deepEqual([...one.of("disconnect"), ...three.of("disconnect")], []);
    });
  }

  it("is told of what it asks at once beyond the bound; the rest is done, in order", async (t) => {
    const roomId = randomUUID();
    const socket = await open(t, node.url, { ...WEBSOCKET, auth: { userId } });
    const numbers = Array.from({ length: 300 }, (_, at) => String(at));
    const answers = await Promise.all(
      numbers.map((content) => socket.ask("sendMessage", { roomId, userId, content })),
    );
    const taken = numbers.filter((_, at) => answers[at].ok);
    const refused = answers.filter(({ ok }) => !ok).map(({ error }) => `${error.status} ${error.type}`);
    assert.deepEqual([...new Set(refused)], ["429 urn:rowcast:problem:too-many"]);
    assert.deepEqual((await node.history(roomId)).map(({ content }) => content), taken);
    assert.ok(taken.length >= 8);
    await socket.say(roomId, "afterwards");
  });
});
