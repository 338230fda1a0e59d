// The monitor shows what happens in a cluster, and says what is wrong with it, in a real page.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { after, before, describe, it } from "node:test";

import { Node } from "./support/node.mjs";
import { inBrowser } from "./support/pages.mjs";
import { open } from "./support/sockets.mjs";
import { soon } from "./support/watched.mjs";

const SHOTS = new URL("../../target/screenshots/", import.meta.url).pathname;

/** What is kept to be looked at. */
const SIZES = [
  ["light", 1280, 800, "light"],
  ["dark", 1280, 800, "dark"],
  ["phone", 390, 844, "light"],
  ["phone-whole", 390, 1760, "dark"],
];

/** A cluster of its own: other tests run beside this one, and their nodes would be shown too. */
const OWN = { DATABASE_URL: new URL("monitor", process.env.DATABASE_URL).href, REDIS_PREFIX: "monitor:" };

describe("the monitor", () => {
  const browser = inBrowser();
  let leader, other;
  before(async () => {
    mkdirSync(SHOTS, { recursive: true });
    execFileSync("psql", [process.env.DATABASE_URL, "-qc", "create database monitor"]);
    leader = await Node.start(OWN);
    await report(leader, ({ relay, node }) => relay.leader === node && relay.leading_seconds !== null);
    other = await Node.start(OWN);
    await report(other, ({ nodes }) => nodes.length === 2);
  });
  after(() => [leader, other].forEach((node) => node?.kill()));

  /** The monitor of a node; at the end nothing may have gone wrong in it. */
  async function monitor(t, { failures = 0, hurried = 1 } = {}) {
    const page = await browser();
    const wrong = [];
    page.on("console", (said) => said.type() === "error" && wrong.push(said.text()));
    page.on("pageerror", (error) => wrong.push(error.message));
    await page.addInitScript((hurried) => {
      const [now, begun] = [Date.now, Date.now()];
      Date.now = () => begun + hurried * (now() - begun);
      addEventListener("securitypolicyviolation", (event) => console.error(event.violatedDirective, event.blockedURI));
    }, hurried);
    t.after(async () => {
      await page.close();
      // The browser itself says of each answer that is none, or did not come, that it is none.
      const ours = wrong.filter((text) => failures === 0 || !text.startsWith("Failed to load resource"));
      assert.deepEqual(ours, []);
    });
    await page.goto(`${other.url}/#/monitor`);
    await page.locator(".figures").or(page.locator('[data-kind="bad"]')).first().waitFor();
    return page;
  }

  it("shows what is posted, who reads, and how late it comes", async (t) => {
    const page = await monitor(t);
    await verdict(page, "All is well.");
    const streams = await Promise.all([leader, other, other].map((node) => follow(node)));
    const socket = await open(t, leader.url, { auth: {} });
    await socket.join("monitor");
    await until(page, "subscribers", (card) => card.number === "4" && card.more === "3 streams · 1 socket");
    await busy(leader, async () => {
      for (const card of ["changes", "deliveries"]) {
        await until(page, card, ({ number, unit, most }) => Number(number) > 0 && unit === "/s" && most > 0);
      }
      const timed = ({ unit, more }) => unit === "ms p50" && /^p99 .* samples?$/.test(more);
      await until(page, "latency", (card) => Number(card.number) > 0 && timed(card));
      await until(page, "ring", ({ number, unit, more }) => Number(number) > 0 && unit === "s" && more.endsWith("in memory"));
      await until(page, "log", ({ number, more }) => Number(number) > 0 && more.endsWith("in PostgreSQL"));
      await until(page, "lag", ({ number, more }) => Number(number) >= 0 && more.startsWith("Redis "));
    });
    const moves = () => page.locator('[data-card="changes"] .line-0').last().getAttribute("d");
    const before = await moves();
    await soon("the plot moves", poll(async () => (await moves()) !== before));
    streams.forEach((stream) => stream.abort());
    await socket.stop();
    await until(page, "subscribers", ({ number }) => number === "0");
    await until(page, "changes", ({ number, most }) => number === "0" && most > 0);
  });

  it("tells by keyboard what was when, and says nothing of itself", async (t) => {
    const page = await monitor(t);
    await busy(other, () => until(page, "changes", ({ number }) => Number(number) > 0));
    const live = page.locator("#monitor").locator("[aria-live], [role=status], [role=alert], [role=log]");
    assert.equal(await live.count(), 1);
    await page.keyboard.press("Tab");
    const plots = page.getByRole("slider");
    for (let tabs = 0; tabs < 10 && !(await plots.first().evaluate((plot) => plot === document.activeElement)); tabs += 1) {
      await page.keyboard.press("Tab");
    }
    const plot = page.getByRole("slider", { name: "Changes in the last two minutes" });
    const told = () => plot.getAttribute("aria-valuetext");
    assert.match(await told(), /\/s, now; in two minutes between .* and .*\/s$/);
    await page.keyboard.press("Home");
    assert.match(await told(), /^[\d.]+\/s, \d+ seconds ago$/);
    const then = [await told(), await plot.getAttribute("aria-valuenow")];
    assert.match(await page.locator('[data-card="changes"] .note').textContent(), /\/s · \d+ s ago$/);
    await drawnAgain(page);
    assert.deepEqual([await told(), await plot.getAttribute("aria-valuenow")], then);
    await page.keyboard.press("End");
    assert.match(await told(), /, now;/);
    assert.equal(await plot.getAttribute("aria-valuenow"), "0");
    await page.keyboard.press("Tab");
    assert.equal(await page.locator('[data-card="changes"] .note').isHidden(), true);
    const { x, y, width, height } = await plot.boundingBox();
    await page.mouse.move(x + width - 2, y + height / 2);
    assert.match(await page.locator('[data-card="changes"] .note').textContent(), /\/s · (now|\d+ s ago)$/);
  });

  it("tells of the ring what one node has, when another holds nothing yet", async (t) => {
    await leader.say("monitor", "what rings hold");
    const late = await Node.start(OWN);
    t.after(() => late.kill());
    await report(late, ({ nodes }) => nodes.length === 3 && nodes.some(({ ring }) => ring.changes === 0));
    const page = await monitor(t);
    await until(page, "ring", ({ number, more }) => parseFloat(number) > 0 && /^[1-9].* changes? · /.test(more));
    await late.stop();
    await report(other, ({ nodes }) => nodes.length === 2);
  });

  it("says who leads, who has died, and who leads then", async (t) => {
    const page = await monitor(t);
    const row = (node) => page.locator(".nodes tbody tr", { hasText: node.url.replace("http://", "") });
    const leads = async (node, whether) => (await row(node).getByText("leads", { exact: true }).isVisible()) === whether;
    await soon("both are there", poll(async () => (await leads(leader, true)) && (await leads(other, false))));
    const [name] = (await row(leader).locator("th bdi").textContent()).split(" ");
    assert.equal((await card(page, "leader")).number, name);
    assert.equal(await page.locator(".nodes caption").textContent(), "2 nodes");
    assert.equal(await row(other).getByText("answers", { exact: true }).isVisible(), true);
    leader.kill();
    await soon("it is said that it is silent", page.getByText(`${name} has fallen silent`).waitFor());
    await row(leader).getByText(/^silent for/).waitFor();
    await soon("the other one leads", poll(() => leads(other, true)));
    await soon("it is gone", poll(async () => (await row(leader).count()) === 0));
    await verdict(page, "All is well.");
    assert.equal((await card(page, "leader")).number, await row(other).locator("th bdi").textContent());
    assert.equal(await page.locator(".nodes caption").textContent(), "1 node");
    leader = await Node.start(OWN);
    await soon("there are two again", page.getByText("2 nodes").waitFor());
  });

  it("asks nobody while nobody can see it", async (t) => {
    const page = await monitor(t);
    let asked = 0;
    page.on("request", (request) => (asked += request.url().endsWith("/health/nodes")));
    await soon("it asks", poll(() => asked > 0));
    await see(page, "hidden");
    // One may be on its way.
    await drawnAgain(page, false);
    const before = asked;
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 3000)));
    assert.equal(asked, before);
    await see(page, "visible");
    await soon("it asks again", poll(() => asked > before + 1));
  });

  it("says that the server does not answer, and goes on when it does", async (t) => {
    const page = await monitor(t, { failures: 1 });
    await verdict(page, "All is well.");
    await page.route("**/health/nodes", (route) => route.abort());
    await verdict(page, "No answer from the server. What is shown below is what it told last.");
    assert.equal(await page.locator(".figures.old").count(), 1);
    await page.unroute("**/health/nodes");
    await page.route("**/health/nodes", (route) => route.fulfill({ status: 404, body: "{}" }));
    await verdict(page, "The figures are not served at this address.");
    await page.unroute("**/health/nodes");
    await verdict(page, "All is well.");
    assert.equal(await page.locator(".figures.old").count(), 0);
  });

  it("shows what a node calls itself as text", async (t) => {
    const page = await monitor(t);
    const name = "<img src=x onerror=alert(1)>";
    await page.route("**/health/nodes", async (route) => {
      const answer = await route.fetch();
      const told = await answer.json();
      told.nodes[0].node = told.relay.leader = name;
      told.reasons = [name];
      await route.fulfill({ response: answer, json: told });
    });
    await soon("it is shown", poll(async () => (await card(page, "leader")).number === name));
    assert.equal(await page.locator("#monitor img").count(), 0);
    assert.equal(await page.locator(".reasons li").first().textContent(), name);
  });

  it("fits every page, by day and by night", async (t) => {
    // Four times as fast, so that there is something to see before two minutes are over.
    const page = await monitor(t, { hurried: 4 });
    const streams = [];
    await busy(leader, async () => {
      for (const node of [leader, other, other, leader, other]) {
        const { points } = await card(page, "changes");
        await until(page, "changes", (card) => card.points > points + 4);
        streams.push(await follow(node));
      }
      await until(page, "latency", ({ points }) => points > 15);
      for (const [name, width, height, colorScheme] of SIZES) {
        await page.setViewportSize({ width, height });
        await page.emulateMedia({ colorScheme });
        const wide = await page.locator("#monitor").evaluate((view) => view.scrollWidth - view.clientWidth);
        assert.deepEqual([wide, await overlapping(page)], [0, []], name);
        await drawnAgain(page);
        await page.screenshot({ path: `${SHOTS}monitor-${name}.png` });
      }
    });
    streams.forEach((stream) => stream.abort());
  });
});

/** Looks until the condition holds. */
async function poll(condition) {
  for (;;) {
    const held = await condition();
    if (held) return held;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** What a node tells of the cluster, when it is so. */
function report(node, holds) {
  return soon("the nodes are told of", poll(async () => holds(await node.send("GET", "/health/nodes"))));
}

/** What a card shows, and how many points its plot has. */
function card(page, name) {
  return page.locator(`[data-card="${name}"]`).evaluate((card) => {
    const text = (selector) => card.querySelector(selector)?.textContent;
    const line = [...card.querySelectorAll(".line")].at(0)?.getAttribute("d") ?? "";
    const heights = [...line.matchAll(/[ML][\d.-]+ ([\d.]+)/g)].map(([, y]) => 100 - Number(y));
    const shown = { number: text(".number") ?? text(".leader"), unit: text(".unit"), more: text(".more") };
    return { ...shown, points: heights.length, most: Math.max(0, ...heights) };
  });
}

function until(page, name, holds) {
  let last;
  return soon(`${name}: ${holds}`, poll(async () => holds((last = await card(page, name)))), () => last);
}

function verdict(page, text) {
  return soon(text, page.getByText(text, { exact: true }).waitFor());
}

/** Waits until figures that came later are shown; or for as long as that takes, where none come. */
function drawnAgain(page, come = true) {
  return page.evaluate((come) => {
    const line = document.querySelector(".line");
    return new Promise((resolve) => {
      const look = () => (line.isConnected ? setTimeout(look, 20) : resolve());
      if (come) look();
      else setTimeout(resolve, 1500);
    });
  }, come);
}

/** What stands on something else: the room's style is in the same page. */
function overlapping(page) {
  return page.evaluate(() => {
    const parts = [...document.querySelectorAll("#monitor :is(.verdicts, [data-card], .nodes)")];
    const places = parts.map((part) => [part.dataset.card ?? part.className, part.getBoundingClientRect()]);
    const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
    const on = ([name, place]) => places.filter(([other, where]) => other !== name && meet(place, where));
    return places.flatMap((one) => on(one).map(([other]) => `${one[0]} on ${other}`));
  });
}

/** Lets the page believe that it can be seen, or cannot. */
function see(page, state) {
  return page.evaluate((state) => {
    Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, state);
}

/** Follows the stream of a node. */
async function follow(node) {
  const stream = new AbortController();
  const answer = await fetch(`${node.url}/stream`, { signal: stream.signal });
  const reader = answer.body.getReader();
  const read = async () => {
    while (!(await reader.read()).done);
  };
  read().catch(() => {});
  return stream;
}

/** Posts messages all the time, until what is done meanwhile is done. */
async function busy(node, meanwhile) {
  let done = false;
  const posting = (async () => {
    while (!done) {
      await node.say("monitor", "busy");
      // Now more, now less, as it is with people.
      const pause = 15 + 35 * (1 + Math.sin(Date.now() / 4000)) * Math.random();
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  })();
  try {
    await meanwhile();
  } finally {
    done = true;
    await posting;
  }
}
