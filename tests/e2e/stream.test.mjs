// The feed, to those who keep to nothing but the standard.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { changes, connected, contents, ids, notices } from "./support/feed.mjs";
import { Node } from "./support/node.mjs";
import { Proxy } from "./support/proxy.mjs";
import { forEachReader } from "./support/readers.mjs";

/** What is cut in two must not be a mere ASCII character. */
const CONTENTS = ["one", "two, with a line\nbreak", "þree, ひらがな, 🌊", "four", "five"];

/** The longest content, of characters of one to four bytes. */
const MEBIBYTE = "a½ひ🌊".repeat(2 ** 20 / 10) + "a".repeat(2 ** 20 % 10);

/** What a node is set to, in milliseconds: longer than anything else takes, shorter than clients wait that were not told. */
const RETRY = 1200;

describe("a stream", () => {
  let first, second;
  before(async () => ([first, second] = await Promise.all([Node.start(), Node.start()])));
  after(() => [first, second].forEach((node) => node.kill()));

  forEachReader((open, { does }) => {
    /** A room, the way to it, and a client that is connected to it. */
    async function follow(t, node = first) {
      const room = randomUUID();
      const proxy = await Proxy.to(node, t);
      const path = `/stream?room=${room}`;
      const reader = await open(t, proxy.url + path);
      await connected(reader, 1);
      return { room, proxy, path, reader };
    }

    it("tells what is written from the moment on that it is connected", async (t) => {
      const { room, reader } = await follow(t);
      for (const content of CONTENTS) await second.say(room, content);
      await changes(reader, CONTENTS.length);
      assert.deepEqual(contents(reader), CONTENTS);
    });

    for (const other of [false, true]) {
      const where = other ? "on the other node" : "on the same node";
      it(`goes on after a cut in the middle of a change, ${where}`, async (t) => {
        const { room, proxy, path, reader } = await follow(t);
        await first.say(room, CONTENTS[0]);
        await first.say(room, CONTENTS[1]);
        await changes(reader, 2);
        if (other) proxy.node = second;
        proxy.cutInside(CONTENTS[2]);
        for (const content of CONTENTS.slice(2)) await first.say(room, content);
        await changes(reader, CONTENTS.length);
        assert.deepEqual(contents(reader), CONTENTS);
        assert.equal(proxy.asked(path).length, 2);
        assert.equal(proxy.asked(path)[1].lastEventId, ids(reader)[1]);
      });
    }

    it("goes on when the network comes back", async (t) => {
      const { room, proxy, path, reader } = await follow(t);
      await first.say(room, CONTENTS[0]);
      await changes(reader, 1);
      proxy.down();
      for (const content of CONTENTS.slice(1)) await first.say(room, content);
      await proxy.until("asked in vain", () => proxy.refused > 0);
      proxy.up();
      await changes(reader, CONTENTS.length);
      assert.deepEqual(contents(reader), CONTENTS);
      assert.equal(proxy.asked(path).length, 2);
    });

    it("goes on at another node when its node goes away", async (t) => {
      const { room, proxy, reader } = await follow(t);
      const leaving = await Node.start();
      proxy.node = leaving;
      proxy.cut();
      await connected(reader, 2);
      await first.say(room, CONTENTS[0]);
      proxy.node = second;
      await Promise.all([leaving.stop(), first.say(room, CONTENTS[1])]);
      await connected(reader, 3);
      await first.say(room, CONTENTS[2]);
      await changes(reader, 3);
      assert.deepEqual(contents(reader), CONTENTS.slice(0, 3));
      assert.equal(notices(reader, "bye").length, 1);
    });

    it("tells of a megabyte in one event", async (t) => {
      const { room, reader } = await follow(t);
      await second.say(room, MEBIBYTE);
      await changes(reader, 1);
      // Not `assert.equal`, which would print both.
      assert.ok(contents(reader)[0] === MEBIBYTE);
    });

    it("is whole wherever the network cuts its bytes", async (t) => {
      const { room, proxy, reader } = await follow(t);
      proxy.drip();
      await first.say(room, CONTENTS[2]);
      await changes(reader, 1);
      assert.deepEqual(contents(reader), [CONTENTS[2]]);
    });

    it("is asked for again when it has said, if the client listens", async (t) => {
      const patient = await Node.start({ RETRY: `${RETRY}ms` });
      t.after(() => patient.kill());
      const { proxy, path, reader } = await follow(t, patient);
      const cut = performance.now();
      proxy.cut();
      await connected(reader, 2);
      const waited = proxy.asked(path)[1].at - cut;
      // A node says half to one and a half times of it. Who does not listen comes earlier, or after three seconds.
      const listened = waited > RETRY / 2 - 50 && waited < 2 * RETRY;
      assert.equal(listened, does.waits !== null, `${waited} ms`);
    });
  });
});
