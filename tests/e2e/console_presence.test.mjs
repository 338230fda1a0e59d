// Who is in a room of the console, and that a page which leaves one is not there any more.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { after, before, describe, it } from "node:test";

import { Console } from "./support/console.mjs";
import { Node } from "./support/node.mjs";
import { inBrowser } from "./support/pages.mjs";
import { soon } from "./support/watched.mjs";

describe("who is in a room of the console", () => {
  const browser = inBrowser();
  let node;
  before(async () => (node = await Node.start()));
  after(() => node.kill());

  const open = (t, room, by = browser) => Console.live(t, by, node.url, room);

  /** Opens pages that share what they keep, as the tabs of one person do. */
  async function together() {
    const page = await browser();
    const context = await page.context().browser().newContext();
    await page.close();
    return () => context.newPage();
  }

  const here = (one, many) => one.page.locator(".presence .count").getByText(`${many} here`, { exact: true }).waitFor();

  /** Waits until so many streams of this node are open, which can only be asked. */
  async function subscribers(many) {
    const ask = async () => {
      while ((await node.send("GET", "/health")).hub.subscribers !== many) await setTimeout(20);
    };
    await soon(`${many} subscribers`, ask());
  }

  it("is shown, each person once, as they come and go", async (t) => {
    const room = randomUUID();
    const tabs = await together();
    const one = await open(t, room, tabs);
    const tab = await open(t, room, tabs);
    const other = await open(t, room);
    for (const page of [one, tab, other]) await here(page, 2);
    await one.page.locator(".presence summary").click();
    const people = await one.page.locator(".presence .people li").allInnerTexts();
    assert.equal(people.length, 2);
    assert.match(people.join("\n"), /^\w+\nYou\n\w+\n\w+ \w+ [0-9a-f]{4}$/);
    await other.page.goto(`${node.url}/#/room/${randomUUID()}`);
    await here(other, 1);
    for (const page of [one, tab]) await here(page, 1);
    assert.equal(await one.page.locator(".presence .people li").count(), 1);
    await tab.page.goto("about:blank");
    const third = await open(t, room);
    for (const page of [one, third]) await here(page, 2);
  });

  it("is nobody who has left: no stream stays open behind a page", async (t) => {
    await subscribers(0);
    const one = await open(t, randomUUID());
    await subscribers(1);
    await one.page.getByRole("link", { name: "Monitor" }).click();
    await one.page.locator("#monitor").waitFor();
    await subscribers(0);
    await one.page.getByRole("link", { name: "Room", exact: true }).click();
    await one.is("live");
    await subscribers(1);
    for (let n = 0; n < 3; n++) {
      await one.page.goto(`${node.url}/#/room/${randomUUID()}`);
      await one.is("live");
    }
    await subscribers(1);
    await one.page.goto("about:blank");
    await subscribers(0);
  });
});
