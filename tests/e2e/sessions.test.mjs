// A session, to those who keep to nothing but the standard: from wherever they come, they see all of it, once, and how
// it ends, and then never ask again.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { Node } from "./support/node.mjs";
import { Proxy } from "./support/proxy.mjs";
import { forEachReader } from "./support/readers.mjs";
import { Session, TEXTS, all, asked, chunks } from "./support/session.mjs";

const ENDS = ["message_complete", "session_failed", "session_cancelled"];

describe("a session", () => {
  let node;
  before(async () => (node = await Node.start()));
  after(() => node.kill());

  forEachReader((open) => {
    /** A client that follows this session, and the way it came. */
    async function follow(t, session) {
      const proxy = await Proxy.to(node, t);
      return { proxy, reader: await open(t, proxy.url + session.stream) };
    }

    it("comes chunk by chunk, then as one message, and is not asked for again", async (t) => {
      const session = await Session.open(node);
      const { proxy, reader } = await follow(t, session);
      await reader.have(1, "connected");
      for (const text of TEXTS) await session.append(text);
      // Who has not seen a chunk when the message is written is given that alone.
      await reader.have(TEXTS.length, "chunk");
      await session.finish();
      await reader.closed();
      assert.deepEqual(chunks(reader), all(TEXTS));
      assert.equal(ended(reader, "message_complete").message.content, TEXTS.join(""));
      assert.deepEqual(asked(proxy, session), [[200, undefined], [204, "end"]]);
    });

    it("is told from its first chunk to who has forgotten all, and then goes on", async (t) => {
      const session = await Session.open(node);
      const { reader } = await follow(t, session);
      await session.append(...TEXTS.slice(0, 3));
      await reader.have(3, "chunk");
      await reader.reload();
      await reader.have(3, "chunk");
      await session.append(...TEXTS.slice(3));
      await reader.have(TEXTS.length, "chunk");
      await session.finish();
      await reader.closed();
      assert.deepEqual(chunks(reader), all(TEXTS));
      assert.equal(ended(reader, "message_complete").message.content, TEXTS.join(""));
    });

    it("that was completed before is one message", async (t) => {
      const session = await Session.open(node);
      await session.finish(...TEXTS);
      const { reader: first } = await follow(t, session);
      await first.closed();
      const { proxy, reader } = await follow(t, session);
      await reader.closed();
      assert.deepEqual(chunks(reader), []);
      assert.equal(ended(reader, "message_complete").message.content, TEXTS.join(""));
      assert.deepEqual(asked(proxy, session), [[200, undefined], [204, "end"]]);
    });

    it("that fails says so, to who reads it and to who comes later", async (t) => {
      const session = await Session.open(node);
      const { proxy, reader } = await follow(t, session);
      await session.append(...TEXTS.slice(0, 2));
      await reader.have(2, "chunk");
      await session.skip(...TEXTS.slice(3));
      await reader.closed();
      const { proxy: way, reader: late } = await follow(t, session);
      await late.closed();
      assert.deepEqual(chunks(reader), all(TEXTS.slice(0, 2)));
      assert.deepEqual(chunks(late), []);
      for (const { reason, missing } of [reader, late].map((one) => ended(one, "session_failed"))) {
        assert.deepEqual([reason, missing], ["missing_chunk", [2]]);
      }
      for (const one of [proxy, way]) assert.equal(asked(one, session).at(-1).join(), "204,end");
    });

    for (const keep of [true, false]) {
      const what = keep ? "what was there becomes a message" : "nothing is left of it";
      it(`that is cancelled says so, and ${what}`, async (t) => {
        const session = await Session.open(node);
        const { proxy, reader } = await follow(t, session);
        await session.append(...TEXTS.slice(0, 2));
        await reader.have(2, "chunk");
        await session.cancel(keep);
        await reader.closed();
        const { reader: late } = await follow(t, session);
        await late.closed();
        for (const { message } of [reader, late].map((one) => ended(one, "session_cancelled"))) {
          assert.equal(message?.content, keep ? TEXTS.slice(0, 2).join("") : undefined);
        }
        assert.deepEqual(asked(proxy, session), [[200, undefined], [204, "end"]]);
      });
    }
  });
});

/** What a client was told of the end, which it must have been told once, and be this. */
function ended(reader, type) {
  const ends = ENDS.flatMap((one) => reader.of(one));
  assert.deepEqual(ends.map((end) => [end.type, end.id]), [[type, "end"]]);
  return ends[0].data;
}
