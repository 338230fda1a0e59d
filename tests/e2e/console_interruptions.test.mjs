// The console's room when its server goes away, or cannot tell what happened meanwhile: afterwards the screen has what
// the server has, once and in order, and the page has said how it stood.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";

import { Cluster } from "./support/cluster.mjs";
import { Console } from "./support/console.mjs";
import { Node } from "./support/node.mjs";
import { inBrowser } from "./support/pages.mjs";
import { Proxy } from "./support/proxy.mjs";
import { agrees, insert, noteStates, states } from "./support/screen.mjs";

/** So little is kept that a few changes are too many. */
const FORGETFUL = { RETENTION_CHANGES: "3", TRIM_EVERY: "20ms", RING_CHANGES: "1" };

describe("an interrupted room of the console", () => {
  const browser = inBrowser();

  /** Two pages of a room, live at this address; what they say of the network is expected. */
  async function two(t, url) {
    const room = randomUUID();
    const pages = await Promise.all([url, url].map((at) => Console.open(t, browser, at, room, noteStates)));
    for (const one of pages) {
      one.expects("net::ERR_");
      await one.is("live");
    }
    return { room, pages };
  }

  /** Somebody writes by SQL, and somebody on the first page, until told to stop. */
  function writing(room, [one]) {
    let going = true;
    const outside = async () => {
      for (let n = 0; going; n++) await insert(room, n, n);
    };
    const inside = async () => {
      for (let n = 0; going; n++) {
        await one.write(`from the page ${n}`);
        await one.row(`from the page ${n}`).waitFor();
      }
    };
    const both = [outside(), inside()];
    return () => {
      going = false;
      return Promise.all(both);
    };
  }

  /** The server of two pages is away for a while, as `leave` and `come` say, while others write and one of them sends. */
  async function interrupt({ room, pages, node, leave, come }) {
    const stop = writing(room, pages);
    for (const one of pages) for (const text of ["number 2", "from the page 2"]) await one.row(text).waitFor();
    await leave();
    await insert(room, 10_000, 10_000);
    for (const one of pages) await one.until(() => window.states.at(-1) !== "live");
    const back = await come();
    await stop();
    for (const one of pages) {
      await one.is("live");
      const messages = await agrees(one, back ?? node, room);
      assert.ok(messages.length > 5);
      await one.page.getByRole("status").getByText(/^resumed at \d+-\d+, nothing missed$/).waitFor();
    }
  }

  it("has everything once when its server was killed and started again", async (t) => {
    const node = await Node.start();
    const { room, pages } = await two(t, node.url);
    let next;
    t.after(() => next?.kill());
    const come = async () => (next = await Node.start({ PORT: String(node.port) }));
    await interrupt({ room, pages, leave: () => node.kill(), come });
    for (const one of pages) assert.deepEqual(await states(one), ["connecting", "live", "reconnecting", "live"]);
  });

  for (const [how, leave] of [["was killed", "kill"], ["went away in peace", "stop"]]) {
    it(`has everything once when its server ${how}, and another goes on`, async (t) => {
      const [first, second] = await Promise.all([Node.start(), Node.start()]);
      t.after(() => [first, second].forEach((node) => node.kill()));
      const proxy = await Proxy.to(first, t);
      const { room, pages } = await two(t, proxy.url);
      await interrupt({
        room, pages,
        leave: () => first[leave](),
        come: () => ((proxy.node = second), second),
      });
    });
  }

  /** A room of a cluster with these settings, that has been read up to its last change. */
  async function follow(t, settings) {
    const cluster = await Cluster.start(settings);
    t.after(() => cluster.kill());
    const proxy = await Proxy.to(cluster.node, t);
    const { room, pages } = await two(t, proxy.url);
    await insert(room, 0, 20, cluster.database);
    for (const one of pages) await one.row("number 20").waitFor();
    return { cluster, proxy, room, pages };
  }

  /** What the pages do not see: new messages, a changed one, and one that is gone. */
  async function change({ cluster, room }) {
    await cluster.sql(`update messages set content = 'changed' where room = '${room}' and content = 'number 7'`);
    await cluster.sql(`delete from messages where room = '${room}' and content = 'number 9'`);
    await insert(room, 21, 25, cluster.database);
  }

  it("is read anew when what happened meanwhile is no longer kept", async (t) => {
    const following = await follow(t, FORGETFUL);
    const { cluster, proxy, room, pages } = following;
    const [, seen] = (await pages[0].page.locator(".position").textContent()).split("-");
    proxy.down();
    await change(following);
    await cluster.until(`floor_position > ${seen} from feed.state`);
    proxy.up();
    for (const one of pages) {
      await one.page.getByText("read anew: what happened meanwhile is older than what the server keeps").waitFor();
      assert.equal((await agrees(one, cluster.node, room)).length, 25);
    }
  });

  it("is read anew when the database was restored", async (t) => {
    const following = await follow(t, {});
    const { cluster, proxy, room, pages } = following;
    proxy.down();
    await change(following);
    // As after the promotion of a standby, which may lack what the feed has told.
    await cluster.sql("update feed.generation set timeline = 99");
    await cluster.sql("select pg_terminate_backend(leader_pid) from feed.state");
    await cluster.until("max(generation) = 2 from feed.tick");
    proxy.up();
    for (const one of pages) {
      await one.page.getByText("read anew: the server has begun a new feed").waitFor();
      assert.equal((await agrees(one, cluster.node, room)).length, 25);
    }
  });

  it("is loaded again where its scripts are of two versions", async (t) => {
    const node = await Node.start();
    t.after(() => node.kill());
    const other = (page) => page.route("**/console/room/rooms.js", (route) => route.fulfill({ contentType: "text/javascript" }), { times: 1 });
    const one = await Console.open(t, browser, node.url, randomUUID(), other);
    one.expects("does not provide an export named");
    await one.page.getByText("It is loaded again.").waitFor();
    await one.is("live");
    assert.ok(await one.page.getByText("It is loaded again.").isHidden());
  });
});
