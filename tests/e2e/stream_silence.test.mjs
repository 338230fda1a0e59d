// A stream that has nothing to tell: it is kept open, and nobody takes for an event what keeps it open.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { changes, connected, contents, notices } from "./support/feed.mjs";
import { Node } from "./support/node.mjs";
import { Proxy } from "./support/proxy.mjs";
import { forEachReader } from "./support/readers.mjs";

/** What the network cuts, in milliseconds: a beat that comes this late would be ten times too late. */
const PATIENCE = 1000;

const KEEP_ALIVE = "100ms";

/** Enough of them to be silent for longer than that. */
const BEATS = 15;

describe("a silent stream", () => {
  let node;
  before(async () => (node = await Node.start({ KEEP_ALIVE })));
  after(() => node.kill());

  forEachReader((open, { does }) => {
    /** A client that is connected by way of a network that cuts what is silent. */
    async function follow(t) {
      const room = randomUUID();
      const proxy = await Proxy.to(node, t);
      proxy.patience = PATIENCE;
      const path = `/stream?room=${room}`;
      const reader = await open(t, proxy.url + path);
      await connected(reader, 1);
      return { room, proxy, path, reader };
    }

    it("is kept open, and its comments are no events", async (t) => {
      const { room, proxy, path, reader } = await follow(t);
      await proxy.until("kept alive", () => proxy.carried(/^:$/gm) >= BEATS);
      await node.say(room, "and on");
      await changes(reader, 1);
      assert.deepEqual(events(reader), ["connected", "new_message"]);
      assert.deepEqual(contents(reader), ["and on"]);
      assert.equal(reader.of("comment").length > 0, does.shows !== null);
      assert.equal(proxy.asked(path).length, 1);
    });

    it("moves on with the other rooms, without an event, and a cut finds it there", async (t) => {
      const { room, proxy, path, reader } = await follow(t);
      await node.say("elsewhere", "not to be heard");
      await proxy.until("moved on", () => proxy.carried(/^id: .+\n\n/gm) > 0);
      proxy.cutInside(":\n");
      await connected(reader, 2);
      await node.say(room, "and on");
      await changes(reader, 1);
      assert.deepEqual(events(reader), ["connected", "connected", "new_message"]);
      const [{ id }] = notices(reader, "connected");
      const last = proxy.asked(path)[1].lastEventId;
      assert.equal(position(last) > position(id), does.moves !== null, `from ${id} to ${last}`);
    });
  });
});

/** What it was told, but for how its connection does. */
function events(reader) {
  const told = reader.told.filter(({ type }) => !["open", "error", "comment"].includes(type));
  return told.map(({ type, data }) => (type === "message" ? data.type : type));
}

function position(id) {
  return Number(id.split("-")[1]);
}
