// A session whose reader is interrupted: it comes back by itself, where it was; nothing is missing and nothing twice.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import { Node, token } from "./support/node.mjs";
import { Proxy } from "./support/proxy.mjs";
import { forEachReader } from "./support/readers.mjs";
import { Session, TEXTS, all, asked, chunks } from "./support/session.mjs";

const SECRET = "a secret for these tests only, of 32 bytes and more";

const GUARDED = { JWT_SECRET: SECRET, JWT_QUERY: "true", JWT_LEEWAY: "0s" };

describe("an interrupted reader of a session", () => {
  let first, second;
  before(async () => ([first, second] = await Promise.all([Node.start(), Node.start()])));
  after(() => [first, second].forEach((node) => node.kill()));

  forEachReader((open, { does }) => {
    /** A session with two chunks, and a client that has seen them. */
    async function follow(t, node = first) {
      const session = await Session.open(first);
      const proxy = await Proxy.to(node, t);
      const reader = await open(t, proxy.url + session.stream);
      await session.append(...TEXTS.slice(0, 2));
      await reader.have(2, "chunk");
      return { session, proxy, reader };
    }

    /** Nothing is missing, nothing came twice, and it ends. */
    async function ends(session, reader) {
      await reader.have(TEXTS.length, "chunk");
      await session.finish();
      await reader.closed();
      assert.deepEqual(chunks(reader), all(TEXTS));
      const [complete, ...more] = reader.of("message_complete");
      assert.equal(complete.data.message.content, TEXTS.join(""));
      assert.deepEqual(more, []);
    }

    for (const other of [false, true]) {
      const where = other ? "at the other node" : "at the same node";
      it(`goes on after a cut in the middle of a chunk, ${where}`, async (t) => {
        const { session, proxy, reader } = await follow(t);
        if (other) proxy.node = second;
        proxy.cutInside(TEXTS[3]);
        await session.append(...TEXTS.slice(2));
        await ends(session, reader);
        assert.deepEqual(asked(proxy, session), [[200, undefined], [200, "2"], [204, "end"]]);
      });
    }

    it("is told the end again after a cut in the middle of it", async (t) => {
      const { session, proxy, reader } = await follow(t);
      proxy.cutInside("message_complete");
      await session.append(...TEXTS.slice(2));
      await ends(session, reader);
      assert.deepEqual(asked(proxy, session), [[200, undefined], [200, "5"], [204, "end"]]);
    });

    it("goes on when the network comes back", async (t) => {
      const { session, proxy, reader } = await follow(t);
      proxy.down();
      await session.append(...TEXTS.slice(2));
      await proxy.until("asked in vain", () => proxy.refused > 0);
      proxy.up();
      await ends(session, reader);
      assert.deepEqual(asked(proxy, session), [[200, undefined], [200, "1"], [204, "end"]]);
    });

    it("comes back where it was after a connection that brought nothing, if the client remembers", async (t) => {
      const { session, proxy, reader } = await follow(t);
      for (const times of [2, 3]) {
        proxy.cut();
        await reader.have(times, "connected");
      }
      const [, second, third] = asked(proxy, session);
      assert.deepEqual([second, third], [[200, "1"], [200, does.remembers === null ? undefined : "1"]]);
    });

    it("is given the message alone when the session was completed meanwhile", async (t) => {
      const { session, proxy, reader } = await follow(t);
      proxy.down();
      await session.finish(...TEXTS.slice(2));
      const witness = await open(t, second.url + session.stream);
      await witness.closed();
      proxy.up();
      await reader.closed();
      assert.deepEqual(chunks(reader), all(TEXTS.slice(0, 2)));
      assert.equal(reader.of("message_complete").length, 1);
      assert.equal(reader.of("message_complete")[0].data.message.content, TEXTS.join(""));
    });

    it("goes on at another node when its node goes away", async (t) => {
      const leaving = await Node.start();
      const { session, proxy, reader } = await follow(t, leaving);
      proxy.node = second;
      await Promise.all([leaving.stop(), session.append(...TEXTS.slice(2, 4))]);
      await reader.have(2, "connected");
      await session.append(...TEXTS.slice(4));
      await ends(session, reader);
    });

    it("goes on when Redis has been away from its node for a moment", async (t) => {
      const redis = new URL(process.env.REDIS_URL);
      const way = await Proxy.to({ port: redis.port }, t);
      redis.port = new URL(way.url).port;
      const node = await Node.start({ REDIS_URL: redis.href });
      t.after(() => node.kill());
      const { session, reader } = await follow(t, node);
      way.down();
      await session.append(...TEXTS.slice(2, 4));
      way.up();
      await session.append(...TEXTS.slice(4));
      await ends(session, reader);
    });

    it("gives up when its token has expired, and goes on with a new one", async (t) => {
      const node = await Node.start(GUARDED);
      t.after(() => node.kill());
      const [long, short] = [token(SECRET, "1h"), token(SECRET, "5s")];
      const session = await Session.open(node, long);
      const proxy = await Proxy.to(node, t);
      const reader = await open(t, `${proxy.url}${session.stream}?access_token=${short}`);
      await session.append(...TEXTS.slice(0, 2));
      await reader.closed();
      assert.deepEqual(chunks(reader), all(TEXTS.slice(0, 2)));
      assert.deepEqual(asked(proxy, session), [[200, undefined], [401, "1"]]);
      const renewed = await open(t, `${proxy.url}${session.stream}?access_token=${long}&last_event_id=1`);
      await session.append(...TEXTS.slice(2));
      await renewed.have(TEXTS.length - 2, "chunk");
      assert.deepEqual(chunks(renewed), all(TEXTS).slice(2));
    });
  });
});
