// The console's room, as people have it open in a browser.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, it } from "node:test";

import { Console } from "./support/console.mjs";
import { Node } from "./support/node.mjs";
import { inBrowser } from "./support/pages.mjs";

const POSTED = (url) => url.pathname === "/message";

describe("the console's room", () => {
  const browser = inBrowser();
  let node;
  before(async () => (node = await Node.start()));
  after(() => node.kill());

  /** A page with a room of its own open, live. */
  async function open(t, room = randomUUID(), prepare) {
    const one = await Console.open(t, browser, node.url, room, prepare);
    one.room = room;
    await one.is("live");
    return one;
  }

  /** Holds back what the server answers to this, until it is let through; `asked` comes true when it has answered. */
  async function hold(page, matches) {
    let let_through;
    const gate = new Promise((resolve) => (let_through = resolve));
    let tell;
    const answered = new Promise((resolve) => (tell = resolve));
    await page.route((url) => url.pathname === "/message", async (route) => {
      if (!matches(route.request())) return route.fallback();
      const answer = await route.fetch();
      tell(answer);
      await gate;
      await route.fulfill({ response: answer });
    });
    return { answered, letThrough: let_through };
  }

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

  it("shows a message at once, and settles it in its place when the feed has brought it", async (t) => {
    const one = await open(t);
    const post = await hold(one.page, (request) => request.method() === "POST");
    await one.write("first");
    await one.row("first").waitFor();
    await post.answered;
    // The feed was faster than the answer.
    await one.until(() => document.querySelector("#room li.message[data-id]"));
    await one.shows(["first"]);
    post.letThrough();
    await one.write("second");
    await one.shows(["first", "second"]);
    await one.until(() => document.querySelectorAll("#room li.message[data-id]:not(.sending)").length === 2);
    assert.equal(new Set(await one.ids()).size, 2);
  });

  it("shows a message once when its answer is lost", async (t) => {
    const one = await open(t);
    one.expects("net::ERR_FAILED");
    await one.page.route(POSTED, async (route) => {
      await route.fetch();
      await route.abort();
    });
    await one.write("written, but who knows?");
    await one.until(() => document.querySelector("#room li.message[data-id] .mark[hidden]"));
    await one.shows(["written, but who knows?"]);
  });

  it("sends what was perhaps not sent again under the same key", async (t) => {
    const one = await open(t);
    one.expects("net::ERR_FAILED");
    const keys = [];
    await one.page.route(POSTED, async (route) => {
      keys.push(route.request().headers()["idempotency-key"]);
      await (keys.length === 1 ? route.abort() : route.continue());
    });
    await one.write("again");
    const row = one.row("again");
    await row.getByText("Perhaps not sent: the server cannot be reached").waitFor();
    await row.getByRole("button", { name: "Try again" }).click();
    await one.until(() => document.querySelector("#room li.message[data-id] .mark[hidden]"));
    await one.shows(["again"]);
    assert.deepEqual(keys, [keys[0], keys[0]]);
  });

  it("says why a message was refused, and forgets it when told so", async (t) => {
    const one = await open(t);
    one.expects("422");
    await one.write("with a \0");
    const row = one.page.locator("#room li.message");
    await row.getByText("Not sent: content: must not contain the character U+0000").waitFor();
    await row.getByRole("button", { name: "Discard" }).click();
    await one.shows([]);
  });

  it("tells its own message from another of the same words, by the answer", async (t) => {
    const one = await open(t);
    let letThrough;
    const gate = new Promise((resolve) => (letThrough = resolve));
    await one.page.route(POSTED, async (route) => {
      await gate;
      await route.continue();
    });
    await one.write("Yes.");
    await one.row("Yes.").waitFor();
    const sender_id = await one.page.evaluate(() => localStorage.getItem("sender"));
    const elsewhere = await node.send("POST", "/message", { room: one.room, content: "Yes.", sender_id });
    await one.page.locator(`#room li.message[data-id="${elsewhere.id}"]`).waitFor();
    await one.shows(["Yes."]);
    letThrough();
    await one.shows(["Yes.", "Yes."]);
    await one.until(() => document.querySelectorAll("#room li.message[data-id]").length === 2);
  });

  it("changes and deletes in place, on every page", async (t) => {
    const one = await open(t);
    const other = await open(t, one.room);
    await one.write("colour");
    await one.write("next");
    await other.shows(["colour", "next"]);
    await one.until(() => document.querySelectorAll("#room li.message[data-id]").length === 2);
    const row = one.row("colour");
    await row.hover();
    await row.getByRole("button", { name: "Edit" }).click();
    await one.page.getByLabel("New text of the message").fill("color");
    await one.page.keyboard.press("Enter");
    for (const page of [one, other]) {
      await page.shows(["color", "next"]);
      await page.row("color").getByText(/^edited/).waitFor();
    }
    await one.row("color").focus();
    await one.page.keyboard.press("Delete");
    await one.page.keyboard.press("Enter");
    for (const page of [one, other]) await page.shows(["next"]);
  });

  it("misses nothing that is written between the page and the stream", async (t) => {
    const room = randomUUID();
    await node.say(room, "before");
    let page;
    const one = await Console.open(t, browser, node.url, room, async (at) => {
      page = await hold(at, (request) => request.method() === "GET");
    });
    await page.answered;
    await node.say(room, "between");
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
    const texts = said.map(({ content }) => content).toSpliced(3, 2, "changed");
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
    const texts = [...said.map(({ content }) => content), "last"].toSpliced(100, 1);
    texts[61] = "changed";
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
});
