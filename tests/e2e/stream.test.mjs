// The feed, to those who keep to nothing but the standard.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { Node } from "./support/node.mjs";
import { Proxy } from "./support/proxy.mjs";
import { forEachReader } from "./support/readers.mjs";

/** What is cut in two must not be a mere ASCII character. */
const CONTENTS = ["one", "two, with a line\nbreak", "þree, ひらがな, 🌊", "four", "five"];

describe("a stream", () => {
  let first, second;
  before(async () => ([first, second] = await Promise.all([Node.start(), Node.start()])));
  after(() => [first, second].forEach((node) => node.kill()));

  forEachReader((open) => {
    /** A room, the way to it, and a client that is connected to it. */
    async function follow(t) {
      const room = randomUUID();
      const proxy = await Proxy.to(first, t);
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
      assert.equal(reader.of("message").filter(({ data }) => data.type === "bye").length, 1);
    });
  });
});

function connected(reader, times) {
  const all = () => reader.of("message").filter(({ data }) => data.type === "connected");
  return reader.until(`connected ${times} times`, () => all().length >= times);
}

function written(reader) {
  return reader.of("message").filter(({ data }) => data.type === "new_message");
}

function changes(reader, count) {
  return reader.until(`${count} changes`, () => written(reader).length >= count);
}

function contents(reader) {
  return written(reader).map(({ data }) => data.data.content);
}

function ids(reader) {
  return written(reader).map(({ id }) => id);
}
