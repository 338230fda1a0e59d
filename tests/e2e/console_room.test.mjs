// The console's room, as people have it open in a browser.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { Console, hold } from "./support/console.mjs";
import { Node } from "./support/node.mjs";
import { inBrowser } from "./support/pages.mjs";

describe("the console's room", () => {
  const browser = inBrowser();
  let node;
  before(async () => (node = await Node.start()));
  after(() => node.kill());

  const open = (t, room) => Console.live(t, browser, node.url, room);

  it("shows two pages each other's messages, once and in order", async (t) => {
    const one = await open(t);
    const other = await open(t, one.room);
    await one.write("Is anybody here?");
    await other.shows(["Is anybody here?"]);
    await other.write("שלום 🌊");
    await one.shows(["Is anybody here?", "שלום 🌊"]);
    await other.shows(["Is anybody here?", "שלום 🌊"]);
    assert.deepEqual(await one.ids(), await other.ids());
  });

  it("misses nothing that is written between the page and the stream", async (t) => {
    const room = randomUUID();
    await node.say(room, "before");
    const witness = await open(t, room);
    let page;
    const one = await Console.open(t, browser, node.url, room, async (at) => {
      page = await hold(at, (request) => request.method() === "GET");
    });
    await page.answered;
    await node.say(room, "between");
    // So the feed has it too: a stream from now on would not.
    await witness.row("between").waitFor();
    page.letThrough();
    await one.shows(["before", "between"]);
  });

  it("shows no old text when a page of older messages comes after the change of one", async (t) => {
    const room = randomUUID();
    const said = [];
    for (let at = 0; at < 60; at++) said.push(await node.say(room, `number ${at}`));
    let page;
    const one = await Console.open(t, browser, node.url, room, async (at) => {
      page = await hold(at, (request) => request.url().includes("cursor="));
    });
    await one.is("live");
    await page.answered;
    await node.send("PATCH", `/message/${said[3].id}`, { content: "changed" });
    await fetch(`${node.url}/message/${said[4].id}`, { method: "DELETE" });
    await node.say(room, "last");
    await one.row("last").waitFor();
    page.letThrough();
    const texts = said.map(({ content }) => content);
    texts.splice(3, 2, "changed");
    await one.shows([...texts, "last"]);
  });

  it("reads anew what cannot be told, and keeps its reader's place", async (t) => {
    const room = randomUUID();
    const said = [];
    for (let at = 0; at < 120; at++) said.push(await node.say(room, `number ${at}`));
    let letThrough;
    const gate = new Promise((resolve) => (letThrough = resolve));
    const one = await Console.open(t, browser, node.url, room, (page) => {
      // The stream begins at a place that the server does not know.
      return page.route((url) => url.pathname === "/stream", async (route) => {
        await gate;
        await route.continue({ url: route.request().url().replace(/last_event_id=[^&]*/, "last_event_id=0-1") });
      });
    });
    await one.row("number 119").waitFor();
    await one.page.locator(".scroller").evaluate((scroller) => (scroller.scrollTop = -3000));
    await one.row("number 60").scrollIntoViewIfNeeded();
    const place = () => one.row("number 60").evaluate((row) => row.getBoundingClientRect().top);
    const before = await place();
    await node.send("PATCH", `/message/${said[61].id}`, { content: "changed" });
    await fetch(`${node.url}/message/${said[100].id}`, { method: "DELETE" });
    await node.say(room, "last");
    letThrough();
    await one.is("live");
    await one.page.getByText("read anew: the server has begun a new feed").waitFor();
    const texts = [...said.map(({ content }) => content), "last"];
    texts[61] = "changed";
    texts.splice(100, 1);
    await one.until((last) => [...document.querySelectorAll("#room .text")].at(-1).textContent === last, "last");
    const shown = await one.texts();
    assert.deepEqual(shown, texts.slice(-shown.length));
    assert.ok(Math.abs((await place()) - before) < 2);
  });

  it("leaves who reads further up where they are, and says how many messages are new", async (t) => {
    const room = randomUUID();
    for (let at = 0; at < 60; at++) await node.say(room, `number ${at}`);
    const one = await open(t, room);
    await one.page.locator(".scroller").evaluate((scroller) => (scroller.scrollTop = -1000));
    const place = () => one.row("number 35").evaluate((row) => row.getBoundingClientRect().top);
    const before = await place();
    await node.say(room, "one more");
    await node.say(room, "and another");
    await one.page.getByRole("button", { name: "2 new messages" }).waitFor();
    assert.ok(Math.abs((await place()) - before) < 2);
    await one.page.getByRole("button", { name: "2 new messages" }).click();
    await one.row("and another").waitFor();
    await one.until(() => document.querySelector(".scroller").scrollTop === 0);
    await one.write("so I see");
    await one.until(() => document.querySelector(".unread").hidden);
  });

  it("keeps what is being written in each room, and closes the stream of the one that is left", async (t) => {
    const one = await open(t);
    const stream = one.page.waitForEvent("requestfailed", (request) => request.url().includes("/stream"));
    const field = () => one.page.getByLabel("Message", { exact: true });
    await field().fill("half a");
    await one.page.evaluate((room) => (location.hash = `#/room/${room}`), randomUUID());
    await stream;
    await one.until(() => document.querySelector(".composer textarea").value === "");
    await one.page.goBack();
    await one.until(() => document.querySelector(".composer textarea").value === "half a");
    await one.is("live");
  });

  it("shows the room that is open among many, where it was in the list", async (t) => {
    const prefix = `r${randomUUID().slice(0, 8)}`;
    const names = Array.from({ length: 25 }, (_, at) => `${prefix}-${at + 10}`);
    await Promise.all(names.map((name) => node.say(name, "one of many")));
    const one = await open(t);
    const { page } = one;
    await page.getByRole("searchbox").fill(prefix);
    const last = page.locator(".rooms a", { hasText: names.at(-1) });
    await last.scrollIntoViewIfNeeded();
    const { y } = await last.boundingBox();
    await last.click();
    await page.getByRole("heading", { name: names.at(-1) }).waitFor();
    await one.until(inSight, y);
    await page.setViewportSize({ width: 390, height: 700 });
    await page.getByRole("button", { name: "Rooms" }).click();
    await one.until(inSight);
  });

  it("tells who is there", async (t) => {
    const one = await open(t);
    await one.page.getByText("1 here", { exact: true }).waitFor();
    const other = await open(t, one.room);
    await one.page.getByText("2 here", { exact: true }).waitFor();
    await other.page.evaluate(() => (location.hash = "#/room/elsewhere"));
    await one.page.getByText("1 here", { exact: true }).waitFor();
  });

  it("reads a text that the stream leaves out, and shows it folded, and whole when asked", async (t) => {
    const [room, content] = [randomUUID(), "many words ".repeat(2_000)];
    let left = 1;
    const one = await Console.open(t, browser, node.url, room, (page) => {
      // What a server says of a text that is too large for its events. When the page comes back, it is told nothing.
      return page.route((url) => url.pathname === "/stream", async (route) => {
        if (left-- < 1) return;
        const message = await node.say(room, content);
        const data = { ...message, content: null, content_omitted: true };
        const events = [{ type: "connected", event_id: "1-0", resumed: true }, { type: "new_message", data }];
        const body = events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("");
        await route.fulfill({ contentType: "text/event-stream", body });
      });
    });
    await one.page.getByRole("button", { name: "Show all 22,000 characters" }).click();
    await one.shows([content]);
  });
});

/** In the page: whether the room that is open can be seen in the list of rooms, at this height if one is given. */
function inSight(y) {
  const link = document.querySelector(".rooms a[aria-current]");
  if (!link) return false;
  const [at, list] = [link, link.closest(".rooms")].map((part) => part.getBoundingClientRect());
  const seen = at.height > 0 && at.top >= list.top && at.bottom <= Math.min(list.bottom, innerHeight);
  return seen && Math.abs(at.top - (y ?? at.top)) < 2;
}
