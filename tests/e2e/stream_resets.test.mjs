// Who comes back with a position from which the feed cannot go on is told so, and goes on from where the feed is.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { Cluster } from "./support/cluster.mjs";
import { changes, connected, contents, ids, notices } from "./support/feed.mjs";
import { Proxy } from "./support/proxy.mjs";
import { CLIENTS, forEachReader } from "./support/readers.mjs";

/** Only the last hundred changes are kept, far more than the tests make. */
const FORGETFUL = { RETENTION_CHANGES: "100", TRIM_EVERY: "20ms", RING_CHANGES: "1" };

/** A client that has seen one message of this cluster. */
async function follow(open, t, { node }) {
  const room = randomUUID();
  const proxy = await Proxy.to(node, t);
  const path = `/stream?room=${room}`;
  const reader = await open(t, proxy.url + path);
  await connected(reader, 1);
  await node.say(room, "seen");
  await changes(reader, 1);
  return { room, proxy, path, reader };
}

/** It is told why, once, and goes on from the head that it was told, although it is cut there. */
async function goesOn({ room, proxy, path, reader }, { node }, reason) {
  await reader.until("reset", () => notices(reader, "reset").length > 0);
  const [{ id, data }] = notices(reader, "reset");
  assert.deepEqual([data.reason, data.head], [reason, id]);
  const [asked, times] = [proxy.asked(path).length, notices(reader, "connected").length];
  proxy.cut();
  await connected(reader, times + 1);
  assert.equal(proxy.asked(path)[asked].lastEventId, id);
  await node.say(room, "and on");
  await changes(reader, 2);
  assert.deepEqual(contents(reader), ["seen", "and on"]);
  assert.equal(notices(reader, "reset").length, 1);
}

describe("a stream that cannot go on", () => {
  let remembering, forgetful, restored;
  before(async () => {
    const all = [{}, FORGETFUL, {}].map((settings) => Cluster.start(settings));
    [remembering, forgetful, restored] = await Promise.all(all);
    await Promise.all([forget(forgetful), restore(restored)]);
  });
  after(() => [remembering, forgetful, restored].forEach((cluster) => cluster?.kill()));

  forEachReader((open) => {
    for (const reason of ["expired", "generation"]) {
      const why = { expired: "is no longer kept", generation: "is another feed's" }[reason];
      it(`because its position ${why} begins anew from the head`, async (t) => {
        const following = await follow(open, t, remembering);
        const { proxy, path, reader } = following;
        const there = { expired: forgetful, generation: restored }[reason];
        proxy.node = there.node;
        proxy.cut();
        await goesOn(following, there, reason);
        assert.equal(proxy.asked(path)[1].lastEventId, ids(reader)[0]);
      });
    }
  });
});

describe("a stream whose database is restored", () => {
  const opens = CLIENTS.map((client) => client.opener());

  it("begins anew from the head, and tells every client so that is there", async (t) => {
    const cluster = await Cluster.start();
    t.after(() => cluster.kill());
    const following = await Promise.all(opens.map((open) => follow(open, t, cluster)));
    await restore(cluster);
    await Promise.all(following.map((one) => goesOn(one, cluster, "generation")));
  });
});

/** Lets so much happen that the beginning is not kept. What is kept begins with a tick, which a statement is. */
async function forget(cluster) {
  for (let n = 0; n < 3; n++) {
    await cluster.sql("insert into messages (content, sender_id) select n, gen_random_uuid() from generate_series(1, 99) n");
    await cluster.until(`count(*) > 0 from feed.tick where first_position > ${n * 99}`);
  }
  await cluster.until("floor_position >= 99 from feed.state");
}

/** As after the promotion of a standby, which may lack what the feed has told. */
async function restore(cluster) {
  await cluster.sql("update feed.generation set timeline = 99");
  await cluster.sql("select pg_terminate_backend(leader_pid) from feed.state");
  await cluster.until("max(generation) = 2 from feed.tick");
}
