// Who comes back with a position from which the feed cannot go on is told so, and goes on from where the feed is.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";

import { Cluster } from "./support/cluster.mjs";
import { changes, connected, contents, ids, notices } from "./support/feed.mjs";
import { Proxy } from "./support/proxy.mjs";
import { forEachReader } from "./support/readers.mjs";

/** So little is kept that a few changes are too many. */
const FORGETFUL = { RETENTION_CHANGES: "3", TRIM_EVERY: "20ms", RING_CHANGES: "1" };

describe("a stream that cannot go on", () => {
  forEachReader((open) => {
    /** A cluster with these settings, and a client that has seen one message. */
    async function follow(t, settings) {
      const cluster = await Cluster.start(settings);
      t.after(() => cluster.kill());
      const { node } = cluster;
      const room = randomUUID();
      const proxy = await Proxy.to(node, t);
      const path = `/stream?room=${room}`;
      const reader = await open(t, proxy.url + path);
      await connected(reader, 1);
      await node.say(room, "seen");
      await changes(reader, 1);
      return { cluster, room, proxy, path, reader };
    }

    /** It has been told why, and goes on from the head that it was told, again and again. */
    async function goesOn({ cluster, room, proxy, path, reader }, reason) {
      await reader.until("reset", () => notices(reader, "reset").length > 0);
      const [{ id, data }] = notices(reader, "reset");
      assert.deepEqual([data.reason, data.head], [reason, id]);
      const asked = proxy.asked(path).length;
      const times = notices(reader, "connected").length;
      proxy.cut();
      await connected(reader, times + 1);
      assert.equal(proxy.asked(path)[asked].lastEventId, id);
      await cluster.node.say(room, "and on");
      await changes(reader, 2);
      assert.deepEqual(contents(reader), ["seen", "and on"]);
      assert.equal(notices(reader, "reset").length, 1);
    }

    it("from a position that is no longer kept begins anew from the head", async (t) => {
      const following = await follow(t, FORGETFUL);
      const { cluster, proxy, path, reader } = following;
      const [id] = ids(reader);
      proxy.down();
      for (let n = 0; n < 6; n++) await cluster.node.say("elsewhere", `${n}`);
      await cluster.until(`floor_position > ${id.split("-")[1]} from feed.state`);
      proxy.up();
      await goesOn(following, "expired");
      assert.equal(proxy.asked(path)[1].lastEventId, id);
    });

    for (const away of [true, false]) {
      const when = away ? "while it was away" : "while it is there";
      it(`from a database that was restored ${when} begins anew from the head`, async (t) => {
        const following = await follow(t);
        const { cluster, proxy } = following;
        if (away) proxy.down();
        // As after the promotion of a standby, which may lack what the feed has told.
        await cluster.sql("update feed.generation set timeline = 99");
        await cluster.sql("select pg_terminate_backend(leader_pid) from feed.state");
        await cluster.until("max(generation) = 2 from feed.tick");
        if (away) proxy.up();
        await goesOn(following, "generation");
      });
    }
  });
});
